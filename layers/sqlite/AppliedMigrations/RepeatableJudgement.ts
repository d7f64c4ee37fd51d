/**
 * Whether a program may make its repeatable migrations again, must, or is too old for those that are there.
 *
 * Numbers tell which of two programs is newer. Where both have the same numbered migrations, the database tells: each
 * text of a repeatable migration is made once, and one that was replaced makes its program an older one. So two
 * releases side by side do not replace each other's view for ever.
 */
import { type Migration, titleOf } from "../../start/MigrationSource.ts"
import { repairWith } from "./Cures.ts"
import type { Reason } from "./HistoryError.ts"
import type { Recorded, RecordedRepeatable } from "./RepeatableRecord.ts"

export interface RepeatableVerdict {
  readonly recorded: Recorded
  /** All of the program, in their order. */
  readonly own: ReadonlyArray<Migration>
  /** Whether to drop what is recorded, and to make all of the program. */
  readonly isDue: boolean
  /** Those whose text is new to this database; all if numbered migrations are pending. */
  readonly due: ReadonlyArray<Migration>
}

interface Refused {
  readonly reason: Reason
  readonly migrations: ReadonlyArray<string>
  readonly detail: string
  readonly cure: string
}

interface Numbered {
  /** The number of the program's newest migration. */
  readonly newest: number
  /** Whether a newer program has applied numbered migrations. */
  readonly isBehind: boolean
  readonly isPending: boolean
}

export const judgeRepeatables = (
  own: ReadonlyArray<Migration>,
  recorded: Recorded,
  { isBehind, isPending, newest }: Numbered
): RepeatableVerdict | Refused => {
  const { areMade, files } = recorded
  const known = new Map(files.map((file) => [file.name, file]))
  const names = new Set(own.map(({ name }) => name))
  const lacking = files.filter(({ name }) => !names.has(name))
  if (isPending && lacking.length > 0) {
    return {
      reason: "Missing",
      migrations: lacking.map(labelOf),
      detail: "",
      cure: `Put the missing files back, or start the release that has them. To remove for good what such a file makes, leave only its DROP statements in it. ${forget(lacking)}`
    }
  }
  const replaced: Array<RecordedRepeatable> = []
  const changed: Array<Migration> = []
  const added: Array<Migration> = []
  for (const migration of own) {
    const file = known.get(migration.name)
    if (file === undefined) added.push(migration)
    else if (file.checksum !== migration.checksum) {
      // A program without the newest numbered migrations changes nothing.
      if (isBehind || file.former.includes(migration.checksum)) replaced.push(file)
      else changed.push(migration)
    }
  }
  const isDue =
    !isBehind && (isPending || !areMade || changed.length + added.length > 0) && own.length + files.length > 0
  const inTheWay = [...lacking, ...replaced].filter(({ compatibleFrom }) => isDue || !(compatibleFrom <= newest))
  const gone = isBehind ? [...added.map(titleOf), ...(areMade ? [] : files.map(labelOf))] : []
  if (inTheWay.length + gone.length > 0) {
    return {
      reason: "NewerDatabase",
      migrations: [...new Set([...inTheWay.map(labelOf), ...gone])],
      detail:
        lacking.length > 0 ? `this program has no ${lacking.map(labelOf).join(", ")}` : "this program has another text",
      cure: `Start the newer program. To let this one run beside it, write \`-- database-ready: compatible_from = N\` at the head of that file there. To go back to an earlier text, change something in it, such as a comment. To remove what a file makes, leave only its DROP statements in it.${lacking.length === 0 ? "" : ` ${forget(lacking)}`}`
    }
  }
  return {
    recorded,
    own,
    isDue,
    due: isPending || !areMade ? own : own.filter((one) => changed.includes(one) || added.includes(one))
  }
}

/** The way out where no release has the files any more. */
const forget = (lacking: ReadonlyArray<RecordedRepeatable>): string =>
  `If no release has them any more, run ${repairWith(`remove-repeatable ${lacking.map(labelOf).join(" ")}`)}: what they made stays.`

const labelOf = ({ name }: Pick<RecordedRepeatable, "name">): string => titleOf({ version: "R_", name })
