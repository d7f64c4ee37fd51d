/** Where migrations come from, and the proof that they are a sequence: well named, each number once. */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Declaration } from "../schema/Declaration.ts"
import { unclearOrderOf, wholeTitleOf } from "../schema/NumberOrder.ts"
import { MigrationSourceError } from "./MigrationSourceError.ts"

/** One step of the schema, as text or as an Effect. */
export interface Migration {
  /** The number, by which migrations are ordered; `Infinity` for a repeatable one, which runs after all that have one. */
  readonly id: number
  /** The number as it is written, e.g. `001`; `R_` for a repeatable one. */
  readonly version: string
  /** The rest of the file's name, e.g. `add_owner`. */
  readonly name: string
  /** SHA-256 of the whole normalised text in hexadecimal; `effect` where there is no text. */
  readonly checksum: string
  /** What it says of itself at its head, with the defaults. */
  readonly declared: Declaration
  /** What is run. */
  readonly body: SqlText | EffectBody
}

/** A migration that is SQL. */
export interface SqlText {
  /** Tells it from an Effect. */
  readonly _tag: "Sql"
  /** The statements, as they are in the file. */
  readonly text: string
  /** The name of the file in its directory, or the key in its record. */
  readonly path?: string | undefined
}

/** A migration that is an Effect. */
export interface EffectBody {
  /** Tells it from SQL. */
  readonly _tag: "Effect"
  /**
   * Runs within the transaction of the start, on its connection. It is run a second time, against an
   * empty database in memory, where the schema has to be compared: it should use nothing but its client.
   */
  readonly run: Effect.Effect<unknown, unknown, SqlClient.SqlClient>
  /**
   * Compared with the version under which it was applied. An Effect has no text to compare: without a version an
   * edit is not seen.
   */
  readonly version?: string | undefined
}

/** Migrations as a source gives them, not yet in order. Fails with `MigrationSourceError` where they cannot be read. */
export type Migrations<R = never> = Effect.Effect<ReadonlyArray<Migration>, MigrationSourceError, R>

/** Migrations in order, each number once. */
export interface OrderedMigrations extends ReadonlyArray<Migration> {
  /** Those without a number, in the order of their names, each name once. */
  readonly repeatables?: ReadonlyArray<Migration> | undefined
}

/** The migrations of a program, in order, each number once. For `DatabaseReady.pipeline` and the stages. */
export class MigrationSource extends Context.Tag("database-ready/MigrationSource")<
  MigrationSource,
  OrderedMigrations
>() {
  /** Loads and orders. Fails with `MigrationSourceError` before anything else is touched. */
  static readonly make = <R>(migrations: Migrations<R>): Effect.Effect<OrderedMigrations, MigrationSourceError, R> =>
    Effect.flatMap(migrations, orderOnce)

  /** The same as a service. Fails with `MigrationSourceError`. */
  static readonly layer = <R>(migrations: Migrations<R>): Layer.Layer<MigrationSource, MigrationSourceError, R> =>
    Layer.effect(MigrationSource, MigrationSource.make(migrations))
}

const orderOnce = (migrations: ReadonlyArray<Migration>): Effect.Effect<OrderedMigrations, MigrationSourceError> => {
  const refuse = (reason: "BadName" | "Duplicate", path: string, detail: string, cure?: string) =>
    Effect.fail(new MigrationSourceError({ reason, path, detail, code: "", retryable: false, cure }))
  const ordered = migrations.filter((one) => !isRepeatable(one)).sort((one, other) => one.id - other.id)
  const twin = ordered.find((migration, index) => migration.id === ordered[index - 1]?.id)
  if (twin !== undefined) {
    const twins = ordered.filter(({ id }) => id === twin.id)
    const whole = new Set(twins.flatMap((one) => wholeTitleOf(one) ?? []))
    const cure = whole.size < twins.length ? undefined : `Name them ${[...whole].join(", ")}: ${wholeTimes}`
    return refuse("Duplicate", twins.map(titleOf).join(", "), `number ${twin.id}`, cure)
  }
  const unclear = unclearOrderOf(ordered)
  if (unclear !== undefined) {
    const { one, other, shorter, title } = unclear
    const newer = titleOf(shorter === one ? other : one)
    return refuse(
      "BadName",
      pathOf(shorter),
      `whether ${titleOf(one)} runs before ${titleOf(other)} depends on who reads their numbers`,
      `Name it ${title}: ${wholeTimes} Or have \`database-ready convert\` write the directory anew, in the order of its tool. A file that a database has applied keeps its name: then give ${newer} a later time.`
    )
  }
  if (ordered.length === migrations.length) return Effect.succeed(ordered)
  const repeatables = migrations.filter(isRepeatable).sort((one, other) => (one.name < other.name ? -1 : 1))
  const double = repeatables.find(({ name }, index) => name === repeatables[index - 1]?.name)
  if (double !== undefined) {
    const cure = "Give one of them another name."
    return refuse("Duplicate", `${titleOf(double)}, ${titleOf(double)}`, "repeatable ones are known by name", cure)
  }
  const [first] = repeatables
  if (ordered.length === 0 && first !== undefined) {
    const cure = "Put the tables that it needs into 001_name.sql."
    return refuse("BadName", titleOf(first), "it runs after the numbered migrations, and there are none", cure)
  }
  return Effect.succeed(Object.assign(ordered, { repeatables }))
}

const wholeTimes = "times need the same number of digits, with no mark between them."

const pathOf = (migration: Migration): string =>
  migration.body._tag === "Sql" ? (migration.body.path ?? titleOf(migration)) : titleOf(migration)

/** Whether it runs again whenever its text changes. */
export const isRepeatable = ({ id }: Migration): boolean => id === Number.POSITIVE_INFINITY

/** `NNN_name`, as the file is called. */
export const titleOf = ({ name, version }: Pick<Migration, "name" | "version">): string => `${version}_${name}`

/** Several sources as one, e.g. SQL files and the Effects between them. The numbers decide the order. It needs what they need. */
export const all = <const Needs extends ReadonlyArray<unknown>>(
  ...sources: { readonly [Index in keyof Needs]: Migrations<Needs[Index]> }
): Migrations<Needs[number]> => {
  const all: ReadonlyArray<Migrations<Needs[number]>> = sources
  return Effect.map(Effect.all(all), (migrations) => migrations.flat())
}
