/** What a start refuses, on every engine: the same reason and exit code for the same fault, and nothing is changed. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { exitCodeOf } from "../../layers/index.ts"
import type { Catalogued } from "../../layers/start/TaggedRefusal.ts"
import { type Files, notes, onlyNotes, type StartOptions } from "./engines.ts"
import { onPostgres } from "./onPostgres.ts"
import { onSqlite } from "./onSqlite.ts"

interface Case {
  readonly what: string
  /** By hand, beside the library. */
  readonly change?: string
  readonly files?: Files
  readonly access?: "inspect"
  readonly name: string
  readonly says: RegExp
  readonly code?: number
}

const cases: ReadonlyArray<Case> = [
  {
    what: "a dropped table",
    change: "DROP VIEW owned; DROP TABLE notes",
    name: "IntegrityError.SchemaDiffers",
    says: /notes/
  },
  {
    what: "a dropped index",
    change: "DROP INDEX notes_note",
    name: "IntegrityError.SchemaDiffers",
    says: /index notes_note/
  },
  { what: "a dropped view", change: "DROP VIEW owned", name: "IntegrityError.SchemaDiffers", says: /owned/ },
  {
    what: "a column that somebody added",
    change: "ALTER TABLE notes ADD COLUMN extra integer",
    name: "IntegrityError.SchemaDiffers",
    says: /notes/
  },
  {
    what: "an index that is another one",
    change: "DROP INDEX notes_note; CREATE INDEX notes_note ON notes (owner)",
    name: "IntegrityError.SchemaDiffers",
    says: /index notes_note/
  },
  {
    what: "an edited file",
    files: { ...notes, "010_create_notes.sql": "CREATE TABLE notes (note text);" },
    name: "HistoryError.Edited",
    says: /010_create_notes/
  },
  {
    what: "a renamed file",
    files: { ...onlyNotes, "020_owners.sql": notes["020_add_owners.sql"] },
    name: "HistoryError.Renamed",
    says: /020_add_owners is now 020_owners/
  },
  {
    what: "a missing file",
    files: { "020_add_owners.sql": notes["020_add_owners.sql"] },
    name: "HistoryError.Missing",
    says: /010_create_notes/
  },
  { what: "a newer database", files: onlyNotes, name: "HistoryError.NewerDatabase", says: /020_add_owners/, code: 76 },
  {
    what: "a migration below an applied one",
    files: { ...notes, "015_late.sql": "CREATE TABLE late (id integer)" },
    name: "HistoryError.Late",
    says: /015_late.*020 is applied/
  },
  {
    what: "a row of the history that is gone in the middle",
    change: "DELETE FROM schema_migrations WHERE version = '010'",
    name: "HistoryError.Late",
    says: /010_create_notes.*020 is applied/
  },
  {
    what: "a row of the history that is gone at the end",
    change: "DELETE FROM schema_migrations WHERE version = '020'",
    name: "HistoryError.Unrecorded",
    says: /020_add_owners/
  },
  {
    what: "a history without a row",
    change: "DELETE FROM schema_migrations",
    name: "HistoryError.Unrecorded",
    says: /010_create_notes, 020_add_owners/
  },
  {
    what: "a migration that was left half done",
    change: "UPDATE schema_migrations SET status = 'started' WHERE version = '020'",
    name: "HistoryError.NotCompleted",
    says: /020_add_owners.*status started/
  },
  {
    what: "a migration that is recorded twice",
    change: `INSERT INTO schema_migrations (version, description, name, checksum)
SELECT '20', description, name, checksum FROM schema_migrations WHERE version = '020'`,
    name: "HistoryError.RecordedTwice",
    says: /20_add_owners/
  },
  {
    what: "the database of another program",
    files: { "010_users.sql": "CREATE TABLE users (id integer)", "020_posts.sql": "CREATE TABLE posts (id integer)" },
    name: "HistoryError.OtherApplication",
    says: /010_create_notes.*010_users/
  },
  {
    what: "the history of another tool",
    change: "DROP TABLE schema_migrations; CREATE TABLE schema_migrations (version text)",
    name: "HistoryError.ForeignHistory",
    says: /another tool/
  },
  {
    what: "a statement that fails after others",
    files: { ...notes, "030_fails.sql": "CREATE TABLE third (id integer);\nINSERT INTO nowhere (id)\n  VALUES (1);" },
    name: "UpgradeError.StatementFailed",
    says: /030_fails.*line 2, `INSERT INTO nowhere \(id\) VALUES \(1\)/
  },
  {
    what: "a migration that fails after another one",
    files: {
      ...notes,
      "030_third.sql": "CREATE TABLE third (id integer); INSERT INTO notes (id, note) VALUES (1, 'a');",
      "040_fails.sql": "DROP VIEW owned; CREATE TABLE notes (id integer);"
    },
    name: "UpgradeError.StatementFailed",
    says: /040_fails/
  },
  {
    what: "a transaction of its own",
    files: { ...notes, "030_commits.sql": "CREATE TABLE third (id integer); COMMIT; CREATE TABLE fourth (id integer)" },
    name: "UpgradeError.NotAllowed",
    says: /030_commits.*COMMIT/
  },
  {
    what: "rows that a migration deletes",
    change: "INSERT INTO notes (id, note) VALUES (1, 'a'), (2, 'b')",
    files: { ...notes, "030_clean.sql": "DELETE FROM notes WHERE note = 'a'" },
    name: "UpgradeError.RowsDeleted",
    says: /030_clean.*notes/
  },
  {
    what: "rows that go with a table",
    files: { ...notes, "030_drop.sql": "DROP VIEW owned; ALTER TABLE notes DROP COLUMN owner; DROP TABLE owners" },
    name: "UpgradeError.RowsDeleted",
    says: /030_drop.*owners/
  },
  {
    what: "an inspection before an upgrade",
    files: { ...notes, "030_third.sql": "CREATE TABLE third (id integer)" },
    access: "inspect",
    name: "UpgradeError.Pending",
    says: /030_third/,
    code: 75
  }
]

const nameOf = ({ _tag, reason }: Catalogued) => `${_tag}.${reason}`

for (const engine of [onSqlite, onPostgres]) {
  describe.skipIf(!engine.isHere)(`a start on ${engine.name} is refused`, () => {
    const whole = Effect.runSync(Scope.make())
    afterAll(() => Effect.runPromise(Scope.close(whole, Exit.void)))
    /** A database that is ready, to be copied: that is quicker than another start. */
    const template = Effect.runSync(
      Effect.cached(
        Effect.tap(engine.make, (place) => Effect.scoped(engine.start(place, {}))).pipe(
          Effect.provideService(Scope.Scope, whole)
        )
      )
    )
    const refused = (place: string, options: StartOptions) => Effect.flip(Effect.scoped(engine.start(place, options)))

    it.live.each(cases)("for $what, by name, and nothing is changed", (one) =>
      Effect.gen(function* () {
        const place = yield* engine.copy(yield* template)
        if (one.change !== undefined) yield* engine.ask(place, one.change)
        const before = yield* engine.picture(place)
        const options = { ...(one.files && { files: one.files }), ...(one.access && { access: one.access }) }
        const error = yield* refused(place, options)
        assert.deepStrictEqual([nameOf(error), exitCodeOf(error)], [one.name, one.code ?? 65], error.sentence)
        assert.match(error.sentence, one.says)
        assert.include(error.message, "Remedy: ")
        assert.isString(error.database)
        assert.deepStrictEqual(yield* engine.picture(place), before)
      }).pipe(Effect.scoped)
    )
  })
}
