/** Turns another tool's directory of migrations into one of this library's. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import { withOnOpen } from "../sqlite/OnOpen.ts"
import type { MigrationSourceError } from "../start/MigrationSourceError.ts"
import { inDirectory } from "../start/MigrationTexts.ts"
import type { Conversion, ConvertOptions } from "./Conversion.ts"
import type { ConvertError } from "./ConvertError.ts"
import { proveFiles, requireSame, runAsTheyAre } from "./convertProof.ts"
import { readSource } from "./convertSource.ts"
import { placeOf, write } from "./convertWrite.ts"

/**
 * Converts another tool's directory of SQL migrations: folders, files that do and undo, files in two halves, Flyway's
 * names, Drizzle's journal and breakpoints, transactions and settings in the text. Before anything is written, both are
 * run in memory: the new files by a start of this library, the old ones as they are. They have to make the same schema
 * and as many rows. The source is only read, nothing is overwritten, and the directory appears whole or not at all. Fails
 * with `ConvertError`, and with `MigrationSourceError` where the source cannot be read.
 *
 * @example
 * ```ts
 * import { convertMigrations } from "database-ready/operate"
 *
 * export const look = convertMigrations({ source: "prisma/migrations", destination: "migrations", dryRun: true })
 * ```
 */
export const convertMigrations = ({
  destination,
  dryRun = false,
  onOpen,
  source
}: ConvertOptions): Effect.Effect<Conversion, ConvertError | MigrationSourceError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const read = yield* inDirectory(source, (directory) => readSource(directory, source))
    const { files: found, isRenumbered, layout, left, place } = yield* read
    const target = yield* placeOf(place, destination, dryRun)
    const expected = yield* runAsTheyAre(source, found)
    const { converted, made } = yield* proveFiles(source, expected.found, onOpen)
    yield* requireSame(source, expected.made, made)
    if (!dryRun) yield* write(target, converted)
    const tools = [...new Set(converted.flatMap((file) => [...file.tools]))]
    const conversion: Conversion = {
      source: place,
      destination: target,
      isWritten: !dryRun,
      layout: tools.length === 0 ? layout : `${layout}, in halves as of ${tools.join(", ")}`,
      isRenumbered,
      files: converted.map(({ changes, declares, from, to }) => ({ from, to, changes, declares })),
      left,
      objects: made.objects.length
    }
    return conversion
  }).pipe(withOnOpen(onOpen))
