/** Whether the driver can be used, and its SQLite is free of a bug that loses commits. */
import * as Effect from "effect/Effect"
import { type ConnectionError, reasonOf, refusal } from "./ConnectionError.ts"
import { fatalAddon, loadDriver } from "./Driver.ts"
import { atOnce, outcomeOf, systemOutcomeOf } from "./edge.ts"
import { ConnectionSetUp, type SetUp } from "./OnOpen.ts"
import { openSqlite } from "./Sqlite.ts"

/** @internal Refuses a driver that would end this process or cannot be loaded, before anything is opened or created. */
export const soundDriver = (file: string): Effect.Effect<void, ConnectionError> =>
  Effect.flatMap(ConnectionSetUp, (setUp) => driverIsSound(file, setUp))

/** @internal The same at once: an `Exit` unless `onOpen` has to be tried. */
export const driverIsSound = (file: string, { kind }: Pick<SetUp, "kind">): Effect.Effect<void, ConnectionError> =>
  atOnce(function* () {
    const detail = yield* systemOutcomeOf(fatalAddon, (failure) => refusal(file, "CannotOpen", failure))
    if (detail !== undefined) {
      const code = `Node.js ${process.versions.node}`
      return yield* refusal(file, "UnsafeDriver", { code, detail, retryable: false })
    }
    yield* outcomeOf(loadDriver, ({ code, detail }) =>
      refusal(file, "DriverNotLoaded", { code: code === "UNKNOWN" ? "" : code, detail, retryable: false })
    )
    if (kind !== "none") yield* tryOnOpen(file)
  })

/** On a database in memory, so that one that fails leaves no file behind. */
const tryOnOpen = (file: string): Effect.Effect<void, ConnectionError> =>
  Effect.mapError(Effect.scoped(Effect.asVoid(openSqlite({ filename: ":memory:" }))), (failure) =>
    refusal(file, reasonOf(failure.code), failure)
  )

/**
 * @internal
 * Two connections in WAL mode could lose a transaction, from 3.7.0 to 3.51.2; fixed in 3.51.3 and,
 * for older lines, in 3.50.7 and 3.44.6 (https://sqlite.org/wal.html).
 */
export const hasWalResetBug = (version: string): boolean => {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number)
  if (major !== 3) return major < 3
  if (minor === 51) return patch < 3
  if (minor === 50) return patch < 7
  if (minor === 44) return patch < 6
  return minor >= 7 && minor < 51
}
