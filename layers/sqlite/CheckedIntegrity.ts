/** Room 5: from applied migrations to a database that is sound, as far as the integrity policy looks. */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Attempt, StageError } from "../start/Attempt.ts"
import type { HistoryError } from "./AppliedMigrations/HistoryError.ts"
import { AppliedMigrations } from "./AppliedMigrations.ts"
import { DatabaseConfig } from "./DatabaseConfig.ts"
import { atOnce, outcomeOf } from "./edge.ts"
import { Initialization } from "./Initialization.ts"
import { IntegrityError } from "./IntegrityError.ts"
import type { IntegrityPolicy } from "./IntegrityPolicy.ts"
import { checkPages, sizeOf } from "./PageCheck.ts"
import { SqliteConnection } from "./SqliteConnection.ts"

/** What was looked at, and why no further. */
export interface IntegrityReport {
  /** The policy that was asked for. */
  readonly policy: IntegrityPolicy
  /** How far this start looked: the policy, or what `auto` chose. */
  readonly checked: "schema" | "quick" | "full"
  /** Why `auto` chose it; "asked for" otherwise. */
  readonly because: string
  /** SHA-256 of the schema's objects, in hexadecimal. */
  readonly fingerprint: string
  /** Objects that no migration made, each as type and name. They are no reason to refuse. */
  readonly extra: ReadonlyArray<string>
}

/** Evidence that the live schema is the one of the migrations, and of what else was found sound. */
export class CheckedIntegrity extends Context.Tag("database-ready/CheckedIntegrity")<
  CheckedIntegrity,
  IntegrityReport
>() {
  /** @internal Fails with `IntegrityError` or `StageError`, and with `HistoryError` if another process changed the history meanwhile. */
  static readonly make = (
    { integrity }: DatabaseConfig["Type"],
    { stage }: Initialization["Type"],
    database: SqliteConnection["Type"],
    migrations: AppliedMigrations["Type"]
  ): Effect.Effect<IntegrityReport, IntegrityError | HistoryError | StageError, FileSystem.FileSystem> =>
    stage("integrity", (attempt) => check(integrity, database, migrations, attempt), summary)

  /**
   * The integrity stage: compares the live schema with the one of the migrations, and looks at pages as far as the policy
   * says. Fails with `IntegrityError` or `StageError`, and with `HistoryError` if another process changed the history
   * meanwhile.
   */
  static readonly layer = Layer.effect(
    CheckedIntegrity,
    Effect.flatMap(Effect.all([DatabaseConfig, Initialization, SqliteConnection, AppliedMigrations]), (before) =>
      CheckedIntegrity.make(...before)
    )
  )
}

/** Where the file is short, nothing has to be waited for. */
const check = (
  policy: IntegrityPolicy,
  database: SqliteConnection["Type"],
  migrations: AppliedMigrations["Type"],
  { doing, inTime, left, progress }: Attempt
) =>
  atOnce(function* () {
    doing("comparing the schema with what the migrations make")
    const { extra, fingerprint, isCompiled } = yield* migrations.schema()
    const bytes = yield* outcomeOf(() => sizeOf(database.sqlite), IntegrityError.unreadable)
    const { because, checked } =
      policy === "auto" ? chosen(database, migrations, bytes <= smallFile) : { checked: policy, because: "asked for" }
    if (checked !== "schema") {
      doing("checking the pages")
      yield* checkPages({ ...database, bytes, isCompiled }, checked, progress)
    }
    if (left() < 0) yield* inTime
    const report: IntegrityReport = { policy, checked, because, fingerprint, extra }
    return report
  })

/** Up to this many bytes `auto` looks at the pages at every start: that takes about as long as everything else. */
const smallFile = 1024 * 1024

/**
 * Where something may have gone wrong since somebody last looked, and where looking costs nothing.
 * A WAL beside living processes is theirs; one that nobody holds was left by a crash.
 */
const chosen = (
  { before, lost }: SqliteConnection["Type"],
  { adopted, applied, repeated }: AppliedMigrations["Type"],
  isSmall: boolean
) => {
  if (applied.length + repeated.length > 0) return { checked: "quick", because: "migrations were applied" } as const
  if (adopted.length > 0) return { checked: "quick", because: "it was taken over" } as const
  if (lost !== undefined) return { checked: "quick", because: "commits are missing" } as const
  if (before === "unclean") return { checked: "quick", because: "the last shutdown was unclean" } as const
  return isSmall
    ? ({ checked: "quick", because: "the file is small" } as const)
    : ({
        checked: "schema",
        because: before === "shared" ? "living processes use it" : "the last shutdown was clean"
      } as const)
}

const summary = ({ because, checked, extra, fingerprint }: IntegrityReport): string => {
  const pages = {
    schema: "pages not looked at",
    quick: "pages and foreign keys ok",
    full: "pages, indexes and foreign keys ok"
  }
  const more = extra.length === 0 ? "" : `; not made by a migration: ${extra.join(", ")}`
  return `schema ${fingerprint.slice(0, 12)}, ${pages[checked]} (${because})${more}`
}
