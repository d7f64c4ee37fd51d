/** The contract's questions to a SQLite file. */
import { copyFileSync, mkdirSync } from "node:fs"
import { dirname } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import Sqlite from "better-sqlite3"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { DatabaseReady, Migrations } from "../../layers/index.ts"
import { independently, pictureOf, platform, rivalProcess, temporaryFile } from "../support/database.ts"
import { type Engine, notes } from "./engines.ts"

export const onSqlite: Engine = {
  name: "SQLite",
  isHere: true,
  make: temporaryFile,
  copy: (place) =>
    Effect.tap(temporaryFile, (copy) =>
      Effect.sync(() => {
        mkdirSync(dirname(copy))
        copyFileSync(place, copy)
      })
    ),
  start: (place, { files = notes, ...options }) =>
    Effect.map(
      // Its own copies of what it replaces are shown elsewhere.
      Layer.build(
        Layer.provide(
          DatabaseReady.layer({ filename: place, backups: 0, migrations: Migrations.fromRecord(files), ...options }),
          platform
        )
      ),
      (context) => ({ ...Context.get(context, DatabaseReady), sql: Context.get(context, SqlClient.SqlClient) })
    ),
  ask: (place, sql) =>
    independently(place, (connection) => {
      if (/^SELECT\b/.test(sql)) return connection.prepare<[], Record<string, unknown>>(sql).all()
      connection.exec(sql)
      return []
    }),
  picture: (place) => pictureOf(dirname(place)),
  hold: (place) => Effect.map(rivalProcess(place, "BEGIN IMMEDIATE"), ({ pid = 0 }) => pid),
  isMigrating: (place) =>
    Effect.sync(() => {
      const connection = new Sqlite(place, { timeout: 0, fileMustExist: true })
      try {
        connection.exec("BEGIN IMMEDIATE; ROLLBACK")
        return false
      } catch {
        return true
      } finally {
        connection.close()
      }
    }),
  slow: "INSERT INTO half WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n WHERE x < 0"
}
