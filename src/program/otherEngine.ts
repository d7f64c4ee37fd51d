/** What cannot be done on the engine of a database, each with the way that is there instead. */
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { EngineError } from "../../layers/operate.ts"
import type { ExitWith } from "./ExitWith.ts"
import { isPostgres, isUrl } from "./engine.ts"
import { refuseWith } from "./refusal.ts"
import { withoutPassword } from "./say.ts"
import type { Choices } from "./start.ts"

type Facts = Pick<EngineError, "reason" | "detail" | "instead">

const refuse = (
  { database, json }: Pick<Choices, "database" | "json">,
  facts: Facts,
  headline = "not ready"
): Effect.Effect<never, ExitWith> =>
  refuseWith(json, headline)(new EngineError({ ...facts, retryable: false, database: withoutPassword(database) }))

const refuseUrl = (choices: Pick<Choices, "database" | "json">) => {
  const [detail = ""] = /^[^:]*:\/\//.exec(choices.database) ?? []
  return refuse(choices, { reason: "UnknownEngine", detail, instead: "" })
}

/** Loads what talks with PostgreSQL: `pg` is not there for those who have files. */
export const loadPostgres = (choices: Choices) => {
  if (!isPostgres(choices.database)) return refuseUrl(choices)
  const [setting] = settingsForFiles(choices)
  if (setting !== undefined) {
    const [name, what, instead] = setting
    return refuse(choices, { reason: "OtherEngine", detail: `${name} ${what}`, instead })
  }
  return Effect.tryPromise({ try: () => withoutResponse(() => import("./postgres.ts")), catch: firstLine }).pipe(
    Effect.catchAll((detail) => refuse(choices, { reason: "PackageMissing", detail, instead: "" }))
  )
}

/**
 * `pg` makes a `Response` while it is loaded, to learn whether it runs in a worker of Cloudflare. That loads all of
 * Node.js's `fetch`, which takes as long as the whole start on the database; from Node.js 21 on, `navigator` tells it.
 */
const withoutResponse = async <A>(load: () => Promise<A>): Promise<A> => {
  const descriptor = Object.getOwnPropertyDescriptor(globalThis, "Response")
  Object.defineProperty(globalThis, "Response", { value: undefined, configurable: true, writable: true })
  try {
    return await load()
  } finally {
    if (descriptor !== undefined) Object.defineProperty(globalThis, "Response", descriptor)
  }
}

/** Node.js goes on with the list of files that required it. */
const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? ""

const leaveOut = (name: string, variable: string) => `Leave out ${name}, and unset ${variable}.`

/** Those that were given and say something else than what holds on PostgreSQL anyway. */
const settingsForFiles = (choices: Choices) => {
  const {
    applicationId = Option.none(),
    backups = Option.none(),
    integrity,
    onOpen,
    permissions = Option.none()
  } = choices
  const isGiven = (value: Option.Option<unknown>, ...same: ReadonlyArray<unknown>) =>
    Option.isSome(value) && !same.includes(value.value)
  return [
    ["--application-id", "marks a SQLite file", "Leave it out.", isGiven(applicationId)] as const,
    ["--on-open", "is for functions of SQLite", leaveOut("--on-open", "DATABASE_ON_OPEN"), isGiven(onOpen)] as const,
    [
      "--integrity",
      "quick and full are for the pages of a SQLite file",
      "Leave it out: `schema` is what is looked at, and a server recovers from a crash itself. For its pages use `amcheck`.",
      isGiven(integrity, "schema", "auto")
    ] as const,
    [
      "--permissions",
      "are those of a SQLite file",
      `${leaveOut("--permissions", "DATABASE_PERMISSIONS")} Use GRANT and REVOKE.`,
      isGiven(permissions)
    ] as const,
    [
      "--backups",
      "are copies of a SQLite file",
      "Leave it out, or give 0. A failed upgrade is rolled back whole. Back up with `pg_dump`, or keep a base backup with an archive (point-in-time recovery).",
      isGiven(backups, 0)
    ] as const,
    [
      "--trust-filesystem",
      "is for SQLite files",
      leaveOut("--trust-filesystem", "DATABASE_TRUST_FILESYSTEM"),
      choices.trustedFilesystems.length > 0
    ] as const
  ].filter(([, , , given]) => given)
}

export const refuseFlagOfPostgres = (choices: Choices) => {
  const flag = choices.create === true ? "--create" : "--schema"
  return refuse(choices, {
    reason: "OtherEngine",
    detail: `${flag} is for PostgreSQL, and this database is a file`,
    instead: choices.create === true ? "Leave it out: `init` always creates a file." : "Leave it out."
  })
}

/** A command that is for files: on a URL it says how the same is done on PostgreSQL. */
export const onlyFiles = <Name extends string, R, E, A extends object>(
  command: Command.Command<Name, R, E, A>,
  instead: string
): Command.Command<Name, R, E | ExitWith, A> =>
  Command.transformHandler(command, (run, choices): Effect.Effect<void, E | ExitWith, R> => {
    const url = Object.values(choices)
      .map((value: unknown) => (Option.isOption(value) ? Option.getOrUndefined(value) : value))
      .find((value) => typeof value === "string" && isUrl(value))
    if (typeof url !== "string") return run
    const json = Predicate.hasProperty(choices, "json") && choices.json === true
    const [detail = ""] = Command.getNames(command)
    const given = { database: url, json }
    return isPostgres(url) ? refuse(given, { reason: "OnlyFiles", detail, instead }, "refused") : refuseUrl(given)
  })
