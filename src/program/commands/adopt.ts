/** `adopt`: takes over a database that another tool has migrated. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { AdoptError, type Adoption, adopt, ledgerTools } from "../../../layers/operate.ts"
import { confirm } from "../confirm.ts"
import { ExitWith } from "../ExitWith.ts"
import { options, shared } from "../options.ts"
import { refuseWith } from "../refusal.ts"
import { say } from "../say.ts"
import { type Choices, migrationsOf, optionsOf } from "../start.ts"

const { applicationId: _, integrity: __, ...looked } = shared

const flags = {
  ...looked,
  backups: options.backups,
  from: Options.choice("from", ledgerTools).pipe(
    Options.withDescription("The tool whose history counts; default the one that is there."),
    Options.optional
  ),
  table: Options.text("table").pipe(
    Options.withPseudoName("NAME"),
    Options.withDescription("The table of that history; default the tool's usual name."),
    Options.optional
  ),
  through: Options.text("through").pipe(
    Options.withPseudoName("VERSION"),
    Options.withDescription("The newest migration that is in the database; default what the history says."),
    Options.optional
  ),
  keepExtra: Options.boolean("keep-extra").pipe(
    Options.withDescription("Leave alone what no migration makes; without it that is refused.")
  ),
  dryRun: Options.boolean("dry-run").pipe(Options.withDescription("Show what would be written, and write nothing.")),
  yes: Options.boolean("yes").pipe(Options.withDescription("Write it without a question."))
}

interface AdoptChoices extends Omit<Choices, "applicationId" | "integrity"> {
  readonly from: Option.Option<string>
  readonly table: Option.Option<string>
  readonly through: Option.Option<string>
  readonly keepExtra: boolean
  readonly dryRun: boolean
  readonly yes: boolean
}

const run = Effect.fnUntraced(
  function* (choices: AdoptChoices) {
    const { dryRun, from, json, keepExtra, table, through, yes } = choices
    const { access: ___, ...given } = optionsOf({ ...choices, integrity: Option.some("auto") }, "inspect")
    const wanted = {
      ...given,
      filename: choices.database,
      migrations: migrationsOf(choices),
      from: Option.getOrUndefined(from),
      table: Option.getOrUndefined(table),
      through: Option.getOrUndefined(through),
      keepExtra
    }
    const shown = yield* adopt({ ...wanted, dryRun: true })
    if (!json) yield* say(adoptionLines(shown).join("\n"))
    if (dryRun) return yield* json ? say(adoptionJson(shown)) : Effect.void
    if (!yes) {
      const { database } = shown
      const no = new AdoptError({ reason: "NotConfirmed", detail: "", retryable: false, database })
      yield* confirm("Write this history?", no, json)
    }
    const adopted = yield* adopt({ ...wanted, expected: shown })
    yield* say(
      json
        ? adoptionJson(adopted)
        : `\nadopted  ${adopted.database}  ${adopted.recorded.length} recorded, backup ${adopted.backup}`
    )
  },
  (whole, { json }) =>
    Effect.catchAll(whole, (error) =>
      error instanceof ExitWith ? Effect.fail(error) : refuseWith(json, "not adopted")(error)
    )
)

const adoptionJson = ({ isWritten, ...adoption }: Adoption): string =>
  JSON.stringify({
    status: isWritten ? "adopted" : "planned",
    ...adoption,
    tool: adoption.tool ?? null,
    table: adoption.table ?? null,
    renamedTo: adoption.renamedTo ?? null,
    backup: adoption.backup ?? null
  })

const adoptionLines = ({ database, extra, pending, recorded, renamedTo, table, tool, userVersion }: Adoption) => [
  `to adopt  ${database}  ${tool === undefined ? "without a history" : `from ${tool} (${table})`}`,
  ...recorded.map(
    ({ appliedAt, entry, name, version }) =>
      `  record   ${version}_${name}${entry === undefined ? "" : `  from ${entry}`}${appliedAt === undefined ? "" : `  ${appliedAt.slice(0, 19)}Z`}`
  ),
  ...pending.map((title) => `  pending  ${title}`),
  ...extra.map((object) => `  extra    ${object}, left as it is`),
  ...(renamedTo === undefined ? [] : [`  rename   schema_migrations to ${renamedTo}: this library needs the name`]),
  ...(userVersion.before === userVersion.after
    ? []
    : [`  set      user_version from ${userVersion.before} to ${userVersion.after}`])
]

export const adoptCommand = Command.make("adopt", flags, run).pipe(
  Command.withDescription(
    "Take over a database of another migration tool, such as Prisma or Knex: read what it applied, prove the schema, and record it."
  )
)
