/** Views and triggers that are made again whenever their text changes, in a file that a release left. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import { identifier } from "../schema/SqlScript.ts"
import { historyTable } from "../sqlite/AppliedMigrations/historyTable.ts"
import { readHistory } from "../sqlite/AppliedMigrations/MigrationHistory.ts"
import { readRecord } from "../sqlite/AppliedMigrations/RepeatableRecord.ts"
import { atEdge } from "../sqlite/edge.ts"
import { openSqlite } from "../sqlite/Sqlite.ts"
import { MigrationTestError } from "./MigrationTestError.ts"

/**
 * Takes out of a file what repeatable migrations made in it, and their record. A test has those of the newest release
 * alone: one between that of the file and the newest had others, and without any it would be refused. They hold no rows,
 * and the newest makes its own.
 */
export const removeRepeatables = (
  file: string,
  during: string
): Effect.Effect<void, MigrationTestError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    if (!(yield* fs.exists(file))) return
    const sqlite = yield* openSqlite({ filename: file })
    const { rows } = yield* atEdge(() => readHistory(sqlite), identity)
    const made = rows
      .flatMap(({ repeatables }) => (repeatables === undefined ? [] : (readRecord(repeatables)?.files ?? [])))
      .flatMap(({ objects }) => objects)
    if (rows.every(({ repeatables }) => repeatables === undefined)) return
    yield* sqlite.run("BEGIN IMMEDIATE")
    // A trigger goes with its view.
    for (const { name, type } of made) yield* sqlite.run(`DROP ${type} IF EXISTS main.${identifier(name)}`)
    yield* sqlite.run(`UPDATE ${historyTable} SET repeatables = NULL`)
    yield* sqlite.run("COMMIT")
  }).pipe(Effect.scoped, Effect.mapError(MigrationTestError.unreadable(during)))
