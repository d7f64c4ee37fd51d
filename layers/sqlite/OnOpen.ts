/** What the program does with each connection before anything is asked of it. */
import type Driver from "better-sqlite3"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { codeOf, sentenceOf } from "../machine/SystemFailure.ts"
import { SqliteFailure } from "./SqliteFailure.ts"

/** The rest of what SQLite may know of a function. All default to false. */
export interface FunctionOptions {
  /** The same values always give the same result. A CHECK, an index and a generated column take no other function. */
  readonly deterministic?: boolean
  /** Only statements may call it, and nothing in the schema. */
  readonly directOnly?: boolean
  /** Integers arrive as `bigint`. */
  readonly safeIntegers?: boolean
  /** Any number of values. */
  readonly varargs?: boolean
}

/** A new connection of better-sqlite3, as far as it can be set up (https://github.com/WiseLibs/better-sqlite3/blob/master/docs/api.md). */
export interface OpenedConnection {
  /** Loads an extension: functions, collations, modules, tokenizers. */
  loadExtension(path: string, entryPoint?: string): unknown
  /** Gives SQL a function. */
  function<Values extends Array<unknown>>(name: string, implementation: (...values: Values) => unknown): unknown
  /** The same, with what else SQLite may know of it. */
  function<Values extends Array<unknown>>(
    name: string,
    options: FunctionOptions,
    implementation: (...values: Values) => unknown
  ): unknown
  /** Gives SQL an aggregate, or with `inverse` a window function. */
  aggregate<Total>(
    name: string,
    options: FunctionOptions & {
      /** The total of no rows, or a function that makes it. Default null. */
      readonly start?: Total | (() => Total)
      /** Adds a row: returns the new total, or changes it in place. */
      // biome-ignore lint/suspicious/noConfusingVoidType: a step that changes the total in place returns nothing
      step(total: Total, ...values: Array<unknown>): Total | void
      /** Takes a row away that has left the window. */
      inverse?(total: Total, ...dropped: Array<unknown>): Total
      /** The result of a total. Default: the total itself. */
      result?(total: Total): unknown
    }
  ): unknown
  /** Runs a pragma and gives what it answers. */
  pragma(source: string): unknown
  /** Runs statements. */
  exec(source: string): unknown
}

/**
 * What a connection needs before anything else. A function; or the URL of a module whose default export is one, which a
 * child process can load as well. It may not write, and may not wait: it returns nothing, and no promise.
 */
export type OnOpen = ((connection: OpenedConnection) => void) | URL

/** How a connection is set up. */
export interface SetUp {
  /** The function to call, once its module is loaded; undefined where there is none. */
  readonly load: Effect.Effect<((connection: OpenedConnection) => unknown) | undefined, SqliteFailure>
  /** `none`, or whether a child process can do it too. */
  readonly kind: "none" | "function" | "module"
  /** The URL of the module, or "". */
  readonly module: string
}

const none: SetUp = { load: Effect.succeed(undefined), kind: "none", module: "" }

/** How the connections that an effect opens are set up. A reference: nearly every room opens one. */
export class ConnectionSetUp extends Context.Reference<ConnectionSetUp>()("database-ready/ConnectionSetUp", {
  defaultValue: () => none
}) {}

/** Every connection that the effect opens is set up by `onOpen`. */
export const withOnOpen =
  (onOpen: OnOpen | undefined) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    onOpen === undefined ? effect : Effect.provideService(effect, ConnectionSetUp, setUpBy(onOpen))

/** How connections are set up, without a look at the context: an effect that is an `Exit` unless it loads a module. */
export const setUpBy = (onOpen: OnOpen | undefined): SetUp => {
  if (onOpen === undefined) return none
  if (!(onOpen instanceof URL)) return { load: Effect.succeed(onOpen), kind: "function", module: "" }
  const module = onOpen.href
  return { load: Effect.tryPromise({ try: () => functionIn(module), catch: failureOf }), kind: "module", module }
}

/** The default export. A CommonJS module that a compiler made has it one level down. */
const functionIn = async (module: string): Promise<(connection: OpenedConnection) => unknown> => {
  const exports: unknown = await import(/* @vite-ignore */ module)
  const first = Predicate.hasProperty(exports, "default") ? exports.default : undefined
  const found = Predicate.hasProperty(first, "default") ? first.default : first
  if (!isFunction(found)) throw new Error(`${module} has no function as its default export`)
  return found
}

const isFunction = (value: unknown): value is (connection: OpenedConnection) => unknown => typeof value === "function"

/**
 * Sets a new connection up. What it does to the busy timeout is undone: nothing may wait inside SQLite.
 */
export const setUp = (
  database: Driver.Database,
  onOpen: (connection: OpenedConnection) => unknown,
  timeout: number
): void => {
  const guard = (isOn: boolean) => (database.readonly ? undefined : database.pragma(`query_only = ${isOn ? 1 : 0}`))
  guard(true)
  const returned = onOpen(database)
  if (Predicate.isPromise(returned)) {
    // It is too late for what it gives, and nobody else hears of a rejection.
    returned.catch(() => undefined)
    throw new Error("it returned a promise, and the connection is needed at once")
  }
  if (!database.open) throw new Error("it closed the connection")
  if (database.inTransaction) throw new Error("it left a transaction open")
  guard(false)
  database.pragma(`busy_timeout = ${timeout}`)
}

/** The code of what `onOpen` threw, unless the file itself is to blame. */
export const onOpenFailed = "ON_OPEN"

export const failureOf = (cause: unknown): SqliteFailure => {
  const code = codeOf(cause) ?? ""
  return /^SQLITE_(BUSY|LOCKED|PROTOCOL|NOTADB|CORRUPT|IOERR|CANTOPEN|FULL|NOMEM)/.test(code)
    ? SqliteFailure.from(cause)
    : new SqliteFailure({ code: onOpenFailed, detail: sentenceOf(cause) })
}
