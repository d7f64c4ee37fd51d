/** Which engine a database is on. What only PostgreSQL needs is loaded only for it. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Choices } from "./start.ts"

/** Else it is a file. SQLite's own URLs name files. */
export const isUrl = (database: string): boolean => /^(?!file:)[a-z][a-z0-9+.-]*:\/\//i.test(database)

export const isPostgres = (database: string): boolean => /^postgres(ql)?:\/\//i.test(database)

const otherEngine = Effect.promise(() => import("./otherEngine.ts"))

/** The commands for PostgreSQL. Refuses another URL, and settings that are for files. */
export const onPostgres = (choices: Choices) => Effect.flatMap(otherEngine, ({ loadPostgres }) => loadPostgres(choices))

/** Refuses settings that are for PostgreSQL. A password file in the environment may be there for other programs. */
export const requireFileSettings = (choices: Choices) => {
  const isOther = choices.create === true || (choices.schema !== undefined && Option.isSome(choices.schema))
  return isOther
    ? Effect.flatMap(otherEngine, ({ refuseFlagOfPostgres }) => refuseFlagOfPostgres(choices))
    : Effect.void
}
