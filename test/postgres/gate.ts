/** Migrations that wait in the middle as long as somebody keeps a gate closed, and what their starters have to say. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { temporaryFolder } from "../support/database.ts"
import type { Ended, Running } from "../support/program.ts"
import { ask } from "./databases.ts"

/** The second one waits in the middle, as long as somebody keeps the gate closed. */
const files = {
  "001_notes.sql": "CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text);",
  "002_slow.sql": `CREATE TABLE slow (id int);
DO $$ BEGIN
  FOR turn IN 1..1200 LOOP
    EXIT WHEN NOT EXISTS (SELECT FROM gate.closed);
    PERFORM pg_sleep(0.05);
  END LOOP;
END $$;
CREATE INDEX slow_id ON slow (id);`,
  "003_more.sql": "ALTER TABLE notes ADD COLUMN more int;"
}

/** A folder that has them. */
export const migrations = Effect.tap(temporaryFolder, (folder) =>
  Effect.sync(() => {
    mkdirSync(join(folder, "migrations"))
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, "migrations", name), text)
  })
)

/** How it ended. */
export const ends = ({ ended }: Running) => Effect.promise(() => ended)

/** Ready, and not before the last migration was recorded. */
export const readyOf = (url: string, { code, stderr, stdout }: Ended) =>
  Effect.gen(function* () {
    assert.deepStrictEqual([code, stderr], [0, ""], stdout)
    const report = JSON.parse(stdout)
    assert.deepStrictEqual([report.status, report.schemaVersion], ["ready", "003"])
    const [last] = yield* ask(
      url,
      "SELECT extract(epoch FROM max(applied_at)) * 1000 AS at, count(*)::int AS rows FROM schema_migrations"
    )
    assert.strictEqual(last?.rows, 3)
    assert.isAtLeast(Date.parse(report.startedAt) + report.durationMs + 2, Number(last?.at))
    const applied: ReadonlyArray<{ readonly version: string }> = report.applied
    return applied.map(({ version }) => version)
  })

export const open = (url: string) => ask(url, "DELETE FROM gate.closed")
export const closed = (url: string) =>
  ask(url, "CREATE SCHEMA gate; CREATE TABLE gate.closed (is_closed bool); INSERT INTO gate.closed VALUES (true)")

export const sleeping = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
export const isSleeping = (url: string, other = 0) =>
  Effect.map(ask(url, sleeping), (rows) => rows.some(({ pid }) => pid !== other))
/** The gate where nobody waits. */
export const opened = (url: string) => Effect.zipRight(closed(url), open(url))
