/** Real files in their own folder, and an independent connection to look at them. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import Sqlite from "better-sqlite3"
import type * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type DatabaseOptions, DatabaseReady, Migrations } from "../../layers/index.ts"

export const platform = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer)

/** The directory of the real migrations. */
export const migrationsDirectory = join(import.meta.dirname, "../../migrations")

/** Their names, in order. */
export const migrationFiles: ReadonlyArray<string> = readdirSync(migrationsDirectory)
  .filter((name) => name.endsWith(".sql"))
  .sort()

/** A folder that is deleted with the scope. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "database-ready-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** Descriptors that this process has on the files of a folder. */
export const openDescriptors = (folder: string): ReadonlyArray<string> =>
  readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`)
      return target.startsWith(folder) ? [target] : []
    } catch {
      // The descriptor that read the list is closed by now.
      return []
    }
  })

/** The path of a new database. */
export const temporaryFile = Effect.map(temporaryFolder, (folder) => join(folder, "data", "app.db"))

export type TestOptions = Omit<DatabaseOptions, "filename"> & { readonly migrations?: Migrations.Migrations }

/** The whole start on a file; every use is a new start. */
export const starting = (filename: string, { migrations = notes, ...options }: TestOptions = {}) =>
  Layer.fresh(DatabaseReady.layer({ filename, migrations, ...options })).pipe(Layer.provide(platform))

/** Starts, returns the report and closes again. */
export const start = (filename: string, options?: TestOptions) =>
  Effect.scoped(
    Effect.provide(
      Effect.map(DatabaseReady, ({ report }) => report),
      starting(filename, options)
    )
  )

/** Starts on the conversation-files schema. */
export const startConversationFiles = (filename: string, options: TestOptions = {}) =>
  Effect.scoped(
    Effect.provide(
      Effect.map(DatabaseReady, ({ report }) => report),
      Layer.fresh(
        DatabaseReady.layer({ filename, ...options, migrations: Migrations.fromDirectory(migrationsDirectory) })
      ).pipe(Layer.provide(platform))
    )
  )

/** Two small migrations with rows, a trigger and a foreign key. */
export const notesFiles = {
  "001_create_notes.sql": `
CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TRIGGER notes_stamp AFTER INSERT ON notes BEGIN
  UPDATE notes SET body = CASE WHEN NEW.body = '' THEN 'empty' ELSE NEW.body END WHERE id = NEW.id;
END;
INSERT INTO notes (body) VALUES ('first');`,
  "002_add_tags.sql": `
CREATE TABLE tags (note INTEGER NOT NULL REFERENCES notes(id) ON DELETE CASCADE, tag TEXT NOT NULL);
CREATE INDEX tags_by_note ON tags(note);`
}

export const notes = Migrations.fromRecord(notesFiles)
export const onlyFirst = Migrations.fromRecord({ "001_create_notes.sql": notesFiles["001_create_notes.sql"] })

/** Runs something on a connection that is independent of the library's. */
export const independently = <A>(file: string, use: (connection: Sqlite.Database) => A): Effect.Effect<A> =>
  Effect.sync(() => {
    const connection = new Sqlite(file)
    try {
      return use(connection)
    } finally {
      connection.close()
    }
  })

/** How to ask databases that are on a server instead of in a file, by that file. */
export const onServer = new Map<string, (sql: string) => Effect.Effect<ReadonlyArray<unknown>>>()

/** The rows of a statement, beside the library; from the server if the database of this file is there. */
export const rowsOf = (file: string, sql: string): Effect.Effect<ReadonlyArray<unknown>> =>
  onServer.get(file)?.(sql) ?? independently(file, (connection) => connection.prepare(sql).all())

/** Runs statements beside the library, all in one transaction, on whichever engine the database is. */
export const execute = (file: string, script: string): Effect.Effect<unknown> =>
  onServer.get(file)?.(script) ?? executeWhenFree(file, script, 2000)

/**
 * A service of this process may be within a transaction, which cannot end while SQLite waits for the lock on the same
 * thread. So SQLite does not wait.
 */
const executeWhenFree = (file: string, script: string, tries: number): Effect.Effect<unknown> =>
  independently(file, (connection) => {
    connection.pragma("busy_timeout = 0")
    try {
      return { done: connection.transaction(() => connection.exec(script))() }
    } catch (error) {
      if (tries > 1 && error instanceof Sqlite.SqliteError && error.code.startsWith("SQLITE_BUSY")) return undefined
      throw error
    }
  }).pipe(
    Effect.flatMap((result) =>
      result === undefined
        ? Effect.zipRight(
            Effect.promise(() => setTimeout(5)),
            executeWhenFree(file, script, tries - 1)
          )
        : Effect.succeed(result.done)
    )
  )

/** Values as SQL writes them, for a row of `VALUES`. */
export const rowOf = (...values: ReadonlyArray<string | number | null>): string =>
  `(${values.map((value) => (typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : String(value))).join(", ")})`

/** Names of the objects of one type, without SQLite's own. */
export const objectNames = (file: string, type: string) =>
  independently(file, (connection) =>
    connection
      .prepare("SELECT name FROM sqlite_schema WHERE type = ? AND name NOT LIKE 'sqlite%' ORDER BY name")
      .pluck()
      .all(type)
  )

/** Every file of a folder with a hash of its bytes: two equal results mean that nothing was touched. */
export const pictureOf = (folder: string): Effect.Effect<Readonly<Record<string, string>>> =>
  Effect.sync(() =>
    Object.fromEntries(
      readdirSync(folder)
        .sort()
        .map((name) => [
          name,
          createHash("sha256")
            .update(readFileSync(join(folder, name)))
            .digest("hex")
        ])
    )
  )

/** Writes over the middle of a page, as a failing disk would. Pages count from 1. */
export const damagePage = (file: string, page: number, pageSize = 4096) =>
  Effect.sync(() => {
    const handle = openSync(file, "r+")
    try {
      writeSync(handle, Buffer.alloc(pageSize, 0xa5), 0, pageSize, (page - 1) * pageSize)
    } finally {
      closeSync(handle)
    }
  })

/** An independent connection that stays open until the scope closes. */
export const openConnection = (file: string) =>
  Effect.acquireRelease(
    Effect.sync(() => new Sqlite(file, { timeout: 0 })),
    (connection) => Effect.sync(() => connection.close())
  )

/** Leaves the database as a crash does: rows in a WAL without a checkpoint. */
export const crashAfter = (file: string, sql: string) =>
  Effect.sync(() => {
    const script = `const connection = new (require("better-sqlite3"))(process.argv[1]); connection.exec(process.argv[2]); process.kill(process.pid, "SIGKILL")`
    const { signal } = spawnSync(process.execPath, ["-e", script, file, sql], { cwd: import.meta.dirname })
    if (signal !== "SIGKILL" || statSync(`${file}-wal`).size === 0) throw new Error("the crash left no WAL")
  })

/** Another process that holds what a statement takes, until the scope closes or it is killed. */
export const rivalProcess = (file: string, sql: string) =>
  Effect.acquireRelease(
    Effect.async<ChildProcess>((resume) => {
      const script = `const connection = new (require("better-sqlite3"))(process.argv[1]); connection.exec(process.argv[2]); console.log("held"); setInterval(() => connection, 1e6)`
      const rival = spawn(process.execPath, ["-e", script, file, sql], {
        cwd: import.meta.dirname,
        stdio: ["ignore", "pipe", "inherit"]
      })
      rival.stdout.once("data", () => resume(Effect.succeed(rival)))
    }),
    (rival) =>
      Effect.async<void>((resume) => {
        if (rival.exitCode !== null || rival.signalCode !== null) return resume(Effect.void)
        rival.once("exit", () => resume(Effect.void))
        rival.kill("SIGKILL")
      })
  )

export class Accepted extends Data.TaggedError("Accepted") {
  override readonly message = "this should have been refused, and was accepted"
}

/** The refusal of a start. A start that is ready fails the test with a sentence instead of a report. */
export const refusal = <A, E, R>(starting: Effect.Effect<A, E, R>): Effect.Effect<E, Accepted, R> =>
  Effect.mapError(Effect.flip(starting), () => new Accepted())

/** The statements of the upgrade take no time, so the copy is worth a second run of them even on a slow machine. */
export const withInstantStatements = <A, E, R>(upgrade: Effect.Effect<A, E, R>) =>
  Effect.clockWith((clock) => {
    const standing: Clock.Clock = Object.assign(Object.create(clock), { unsafeCurrentTimeNanos: () => 0n })
    return Effect.withClock(upgrade, standing)
  })
