/** What can happen to a database: how each step is drawn and described. */
import * as FastCheck from "effect/FastCheck"
import { describeRelease, type MigrationFile, type Release, release } from "./files.ts"
import type { StartOptions } from "./model.ts"
import type { Fault } from "./world.ts"
import { faultCodes } from "./world.ts"

/** One of some values, with their own types. */
const oneOf = <const A>(...values: ReadonlyArray<A>): FastCheck.Arbitrary<A> => FastCheck.constantFrom(...values)

const journals = ["wal", "wal", "wal", "delete", "truncate", "persist"] as const

export interface Settings {
  readonly integrity: StartOptions["integrity"]
  readonly backups: number
  readonly journal: (typeof journals)[number]
  readonly applicationId: number | undefined
}

const settings: FastCheck.Arbitrary<Settings> = FastCheck.record({
  integrity: oneOf("auto", "auto", "schema", "quick", "full"),
  backups: oneOf(2, 2, 1, 3, 0),
  journal: oneOf(...journals),
  applicationId: oneOf(undefined, undefined, undefined, 77)
})

const fault: FastCheck.Arbitrary<Fault> = FastCheck.record({
  kind: oneOf("kill", "fail"),
  nth: FastCheck.integer({ min: 1, max: 90 }),
  code: oneOf(...faultCodes)
})

const edits = ["forget newest", "forget oldest", "status", "checksum", "name", "newer", "twice"] as const

const others = ["junk", "empty", "one byte", "another database", "a backup", "nothing"] as const

export type Step =
  | {
      readonly _tag: "start"
      readonly release: Release
      readonly settings: Settings
      readonly fault: Fault | undefined
    }
  | {
      readonly _tag: "race"
      readonly releases: ReadonlyArray<Release>
      readonly settings: Settings
      readonly restores: boolean
    }
  | { readonly _tag: "restores"; readonly count: number }
  | { readonly _tag: "restore"; readonly which: number | undefined; readonly fault: Fault | undefined }
  | { readonly _tag: "write"; readonly pick: number; readonly rows: number }
  | { readonly _tag: "crash"; readonly pick: number; readonly rows: number }
  | { readonly _tag: "stray"; readonly isEmpty: boolean }
  | { readonly _tag: "copy"; readonly whole: boolean; readonly keepTimes: boolean }
  | { readonly _tag: "link" }
  | { readonly _tag: "times"; readonly pick: number; readonly seconds: number }
  | { readonly _tag: "mode"; readonly mode: number }
  | { readonly _tag: "journal"; readonly mode: "wal" | "delete" | "truncate" | "persist" }
  | { readonly _tag: "history"; readonly edit: (typeof edits)[number]; readonly pick: number }
  | { readonly _tag: "header"; readonly pragma: "user_version" | "application_id"; readonly value: number }
  | { readonly _tag: "replace"; readonly by: (typeof others)[number]; readonly pick: number }
  | { readonly _tag: "drift"; readonly what: "table" | "column" }
  | { readonly _tag: "orphan"; readonly pick: number }
  | { readonly _tag: "hold"; readonly how: "idle" | "writing" }
  | { readonly _tag: "move away"; readonly release: Release; readonly settings: Settings; readonly restores: boolean }
  | { readonly _tag: "no locks"; readonly release: Release; readonly nth: number }
  | { readonly _tag: "let go" }
  | { readonly _tag: "forget backups" }

const rare = <A>(arbitrary: FastCheck.Arbitrary<A>, outOf: number) =>
  FastCheck.option(arbitrary, { nil: undefined, freq: 1 }).chain((value) =>
    FastCheck.nat(outOf - 1).map((roll) => (roll === 0 ? value : undefined))
  )

const tagged = <Tag extends Step["_tag"], A extends object>(_tag: Tag, fields: FastCheck.Arbitrary<A>) =>
  fields.map((found): A & { readonly _tag: Tag } => ({ ...found, _tag }))

const pick = FastCheck.nat(9)

export const step: FastCheck.Arbitrary<Step> = FastCheck.oneof(
  {
    weight: 18,
    arbitrary: tagged("start", FastCheck.record({ release, settings, fault: rare(fault, 2) }))
  },
  {
    weight: 2,
    arbitrary: tagged(
      "race",
      FastCheck.record({
        releases: FastCheck.array(release, { minLength: 2, maxLength: 3 }),
        settings,
        restores: FastCheck.nat(3).map((roll) => roll === 0)
      })
    )
  },
  {
    weight: 4,
    arbitrary: tagged(
      "restore",
      FastCheck.record({ which: FastCheck.option(pick, { nil: undefined }), fault: rare(fault, 2) })
    )
  },
  { weight: 1, arbitrary: tagged("restores", FastCheck.record({ count: FastCheck.integer({ min: 2, max: 3 }) })) },
  { weight: 5, arbitrary: tagged("write", FastCheck.record({ pick, rows: FastCheck.integer({ min: 1, max: 3 }) })) },
  { weight: 4, arbitrary: tagged("crash", FastCheck.record({ pick, rows: FastCheck.integer({ min: 1, max: 3 }) })) },
  { weight: 2, arbitrary: tagged("stray", FastCheck.record({ isEmpty: FastCheck.boolean() })) },
  {
    weight: 3,
    arbitrary: tagged("copy", FastCheck.record({ whole: FastCheck.boolean(), keepTimes: FastCheck.boolean() }))
  },
  { weight: 1, arbitrary: FastCheck.constant<Step>({ _tag: "link" }) },
  {
    weight: 2,
    arbitrary: tagged("times", FastCheck.record({ pick, seconds: FastCheck.integer({ min: 0, max: 4_000_000_000 }) }))
  },
  {
    weight: 1,
    arbitrary: tagged("mode", FastCheck.record({ mode: oneOf(0o600, 0o640, 0o660, 0o644) }))
  },
  {
    weight: 2,
    arbitrary: tagged("journal", FastCheck.record({ mode: oneOf("wal", "delete", "truncate", "persist") }))
  },
  { weight: 2, arbitrary: tagged("history", FastCheck.record({ edit: oneOf(...edits), pick })) },
  {
    weight: 1,
    arbitrary: tagged(
      "header",
      FastCheck.record({
        pragma: oneOf("user_version", "application_id"),
        value: oneOf(0, 1, 2, 77, 1000)
      })
    )
  },
  { weight: 2, arbitrary: tagged("replace", FastCheck.record({ by: oneOf(...others), pick })) },
  { weight: 1, arbitrary: tagged("drift", FastCheck.record({ what: oneOf("table", "column") })) },
  { weight: 1, arbitrary: tagged("orphan", FastCheck.record({ pick })) },
  { weight: 1, arbitrary: tagged("hold", FastCheck.record({ how: oneOf("idle", "writing") })) },
  {
    weight: 1,
    arbitrary: tagged("move away", FastCheck.record({ release, settings, restores: FastCheck.boolean() }))
  },
  {
    weight: 2,
    arbitrary: FastCheck.oneof(
      { weight: 7, arbitrary: FastCheck.constant<Step>({ _tag: "let go" }) },
      // It takes two seconds, a hundred times longer than others.
      {
        weight: 1,
        arbitrary: tagged("no locks", FastCheck.record({ release, nth: FastCheck.integer({ min: 1, max: 4 }) }))
      }
    )
  },
  { weight: 1, arbitrary: FastCheck.constant<Step>({ _tag: "forget backups" }) }
)

/** A step as a line of a script. */
export const describeStep = (files: ReadonlyArray<MigrationFile>, step: Step): string => {
  const withFault = (fault: Fault | undefined) =>
    fault === undefined
      ? ""
      : fault.kind === "kill"
        ? `, killed at call ${fault.nth}`
        : `, call ${fault.nth} fails with ${fault.code}`
  const withSettings = ({ applicationId, backups, integrity, journal }: Settings) =>
    `integrity ${integrity}, backups ${backups}, journal ${journal}${applicationId === undefined ? "" : `, application_id ${applicationId}`}`
  const { _tag, ...fields } = step
  switch (step._tag) {
    case "start":
      return `status and init of [${describeRelease(files, step.release)}], ${withSettings(step.settings)}${withFault(step.fault)}`
    case "race":
      return `at once: ${step.releases.map((release) => `init of [${describeRelease(files, release)}]`).join(" and ")}${step.restores ? " and a restore" : ""}, ${withSettings(step.settings)}`
    case "no locks":
      return `init of [${describeRelease(files, step.release)}] with a deadline of 1 s, without locks on the -shm from the ${step.nth}th on`
    case "restores":
      return `${step.count} restores at once`
    case "move away":
      return `moved away while it is open, then ${step.restores ? "a restore" : `init of [${describeRelease(files, step.release)}], ${withSettings(step.settings)}`}, then put back`
    case "restore":
      return `restore ${step.which === undefined ? "the newest backup" : `backup ${step.which}`}${withFault(step.fault)}`
    default:
      return `${_tag} ${JSON.stringify(fields).replace(/["{}]/g, "").replaceAll(":", " ").replaceAll(",", ", ")}`
  }
}
