/** Pragmas that are kept in the file: set only where nothing can be lost by it, or once the database is judged sound. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { StageError } from "../start/Attempt.ts"
import type { DatabaseConfig } from "./DatabaseConfig.ts"
import type { Initialization } from "./Initialization.ts"
import type { PragmaError } from "./PragmaError.ts"
import {
  isOfConnection,
  isOfFile,
  requiredOf,
  type Settings,
  setAndVerify,
  settleNewFile,
  summaryOf
} from "./pragmas.ts"
import type { SqliteConnection } from "./SqliteConnection.ts"
import type { VerifiedPragmas } from "./VerifiedPragmas.ts"

/** Gives a file that holds nothing yet what it keeps from its first page on, then its journal mode, and reads both back. */
export const setPragmasOfNewFile = (
  config: DatabaseConfig["Type"],
  { sqlite }: SqliteConnection["Type"],
  { settings }: VerifiedPragmas["Type"]
): Effect.Effect<Settings, PragmaError> => {
  const required = requiredOf(config, 0)
  // The journal mode writes the first page.
  return Effect.zipRight(settleNewFile(sqlite, config), setAndVerify(sqlite, required, required, settings))
}

/** For a database that was judged sound: sets its journal mode and the runtime busy timeout, and reads everything back. */
export const applyFileAndRuntimePragmas = (
  config: DatabaseConfig["Type"],
  { stage }: Initialization["Type"],
  { sqlite }: SqliteConnection["Type"],
  { settings }: VerifiedPragmas["Type"]
): Effect.Effect<Settings, PragmaError | StageError> => {
  const required = requiredOf(config, Duration.toMillis(config.pragmas.busyTimeout))
  // The journal mode comes first, because it may have to wait: with the runtime timeout SQLite would wait with the event
  // loop blocked. An inspection may not switch it, but requires it.
  const settable = [
    ...(config.access === "inspect" ? [] : required.filter(isOfFile)),
    ...required.filter(isOfConnection)
  ]
  return stage("pragmas", () => setAndVerify(sqlite, settable, required, settings), summaryOf)
}
