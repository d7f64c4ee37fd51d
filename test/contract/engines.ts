/** What the contract is tried on: the same questions to a database of either engine. */
import type * as SqlClient from "@effect/sql/SqlClient"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ProgressEvent } from "../../layers/index.ts"
import type { ReadyStart } from "../../layers/start/ReadyStart.ts"
import type { Catalogued } from "../../layers/start/TaggedRefusal.ts"

/** The texts of migrations by the names of their files. */
export type Files = Readonly<Record<string, string>>

export interface StartOptions {
  readonly files?: Files
  readonly access?: "initialize" | "inspect"
  readonly timeout?: Duration.DurationInput
  readonly program?: string
  readonly onProgress?: (event: ProgressEvent) => Effect.Effect<unknown>
}

/** What a program gets once the database is ready, on whichever engine. */
export interface Ready {
  readonly report: ReadyStart & { readonly applied: ReadonlyArray<{ readonly version: string; readonly name: string }> }
  readonly health: Effect.Effect<{ readonly schemaVersion: string | undefined }, Catalogued>
  readonly write: <A, E, R>(body: Effect.Effect<A, E, R>) => Effect.Effect<A, unknown, R>
  readonly sql: SqlClient.SqlClient
}

export interface Engine {
  readonly name: string
  /** False where this machine has no server for it: the tests are skipped. */
  readonly isHere: boolean
  /** A new and empty database: what `--database` takes. */
  readonly make: Effect.Effect<string, never, Scope.Scope>
  /** A copy of one that nobody uses. */
  readonly copy: (place: string) => Effect.Effect<string, never, Scope.Scope>
  /** Ready until the scope closes. */
  readonly start: (place: string, options: StartOptions) => Effect.Effect<Ready, Catalogued, Scope.Scope>
  /** Statements beside the library, or the rows of one. */
  readonly ask: (place: string, sql: string) => Effect.Effect<ReadonlyArray<Readonly<Record<string, unknown>>>>
  /** Everything that a refused start could have changed. */
  readonly picture: (place: string) => Effect.Effect<unknown>
  /** Another program has what a migration needs, until the scope closes; gives the number of its process. */
  readonly hold: (place: string) => Effect.Effect<number, never, Scope.Scope>
  /** Whether some program is applying migrations at this moment. */
  readonly isMigrating: (place: string) => Effect.Effect<boolean>
  /** A statement that takes a minute, or longer. */
  readonly slow: string
}

/** Two migrations that both engines understand, each with its own number of a kind. */
export const notes = {
  "010_create_notes.sql": `CREATE TABLE notes (id integer PRIMARY KEY, note text NOT NULL);
CREATE INDEX notes_note ON notes (note);`,
  "020_add_owners.sql": `-- whom they belong to
CREATE TABLE owners (name text PRIMARY KEY);
ALTER TABLE notes ADD COLUMN owner text REFERENCES owners (name);
INSERT INTO owners (name) VALUES ('nobody');
CREATE VIEW owned AS SELECT id, owner FROM notes WHERE owner IS NOT NULL;`
}

export const onlyNotes: Files = { "010_create_notes.sql": notes["010_create_notes.sql"] }
