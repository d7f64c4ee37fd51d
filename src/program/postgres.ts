/** `init`, `status` and `plan` on PostgreSQL. */
import { readFileSync } from "node:fs"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { reportJson, reportLines } from "../../layers/index.ts"
import { EngineError } from "../../layers/operate.ts"
import { DatabaseReady, planDatabase } from "../../layers/postgres.ts"
import { name, version } from "../build/identity.ts"
import { tellStart } from "./progress.ts"
import { refuseWith } from "./refusal.ts"
import { isPasswordInArguments, say, withoutPassword } from "./say.ts"
import { type Choices, migrationsOf, showTimeline } from "./start.ts"

export const startOnPostgres = (choices: Choices, access: "initialize" | "inspect") =>
  passwordOf(choices).pipe(
    Effect.flatMap((password) =>
      Layer.build(DatabaseReady.layer({ ...optionsOf(choices, password), access, onTimeline: showTimeline }))
    ),
    Effect.map((built) => Context.get(built, DatabaseReady).report),
    Effect.scoped,
    Effect.catchAll(refuseWith(choices.json)),
    Effect.map((report) => ({ ...report, warnings: [...report.warnings, ...warnings] })),
    Effect.flatMap((report) => say(choices.json ? reportJson(report) : reportLines(report).join("\n")))
  )

export const planOnPostgres = (choices: Choices) =>
  passwordOf(choices).pipe(
    Effect.catchAll(refuseWith(choices.json)),
    Effect.flatMap((password) => planDatabase(optionsOf(choices, password)))
  )

const optionsOf = (choices: Choices, password: Redacted.Redacted<string> | undefined) => ({
  url: Redacted.make(choices.database),
  password,
  schema: Option.getOrUndefined(choices.schema ?? Option.none()),
  create: choices.create,
  timeout: Option.getOrUndefined(choices.timeout),
  program: `${name} ${version}`,
  migrations: migrationsOf(choices),
  onProgress: tellStart(choices.json)
})

const warnings: ReadonlyArray<string> = isPasswordInArguments
  ? [
      "The password is on the command line, where every user of this machine can read it: use PGPASSWORD, --password-file or ~/.pgpass."
    ]
  : []

/** The first line: a file from a secret store often ends with a line break. */
const passwordOf = ({
  database,
  passwordFile = Option.none()
}: Choices): Effect.Effect<Redacted.Redacted<string> | undefined, EngineError> =>
  Option.match(passwordFile, {
    onNone: () => Effect.succeed(undefined),
    onSome: (file) =>
      Effect.try({
        try: () => Redacted.make(readFileSync(file, "utf8").split(/\r?\n/)[0] ?? ""),
        catch: (error) =>
          new EngineError({
            reason: "NoPasswordFile",
            detail: error instanceof Error ? error.message : String(error),
            instead: "",
            retryable: false,
            database: withoutPassword(database)
          })
      })
  })
