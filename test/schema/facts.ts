/**
 * What SQLite makes of scripts, each list once. The mutation tests load this file once for all mutants, because SQLite
 * is not what they change.
 */
import Sqlite from "better-sqlite3"
import { schemaFacts } from "../../layers/operate/schemaFacts.ts"
import type { SchemaFacts } from "../../layers/schema/SchemaFacts.ts"

const known = new Map<string, ReadonlyArray<SchemaFacts>>()

/** The facts after each of the scripts, which run one after the other in memory. */
export const statesAfter = (scripts: ReadonlyArray<string>): ReadonlyArray<SchemaFacts> => {
  const key = JSON.stringify(scripts)
  const states = known.get(key) ?? look(scripts)
  known.set(key, states)
  return states
}

const look = (scripts: ReadonlyArray<string>): ReadonlyArray<SchemaFacts> => {
  const database = new Sqlite(":memory:")
  try {
    // References are looked at, not followed: there are no rows.
    database.pragma("foreign_keys = off")
    return scripts.map((script) => {
      database.exec(script)
      return schemaFacts(database)
    })
  } finally {
    database.close()
  }
}
