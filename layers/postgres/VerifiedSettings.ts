/** Room 3: from a connection to a pool whose sessions all have the settings that the program needs. */
import * as Effect from "effect/Effect"
import { ConnectionError } from "./ConnectionError.ts"
import type { Connections } from "./Connections.ts"
import type { RunningStart } from "./Initialization.ts"
import type { PostgresConfig } from "./PostgresConfig.ts"
import { PostgresFailure } from "./PostgresFailure.ts"
import { PragmaError } from "./PragmaError.ts"
import { type Settings, setUp, wishRefusedBy } from "./Settings.ts"

/** What the pragmas stage found. */
export interface SettingsEvidence {
  /** As PostgreSQL answers them. */
  readonly settings: Settings
  readonly warnings: ReadonlyArray<string>
}

export const verifySettings = (config: PostgresConfig, { stage }: RunningStart, connections: Connections) =>
  stage(
    "pragmas",
    () =>
      Effect.mapError(
        connections.using(({ client }) =>
          Effect.map(
            Effect.tryPromise({ try: () => setUp(client, config), catch: refusalIn }),
            (settings): SettingsEvidence => {
              const refused = wishRefusedBy(client)
              const warnings =
                refused === undefined ? [] : [`The server does not notice clients that are gone: ${refused}`]
              return { settings, warnings }
            }
          )
        ),
        refusalIn
      ),
    ({ settings }) => `${Object.keys(settings).length} settings verified`
  )

/** What set up a connection may have failed with, also within a `SqlError`. */
export const refusalIn = (error: unknown): PragmaError | ConnectionError => {
  if (error instanceof PragmaError || error instanceof ConnectionError) return error
  const { cause, code, detail, retryable } = PostgresFailure.from(error)
  return cause instanceof PragmaError || cause instanceof ConnectionError
    ? cause
    : new PragmaError({ reason: "Refused", pragma: "", wanted: "", got: "", detail, code, retryable })
}
