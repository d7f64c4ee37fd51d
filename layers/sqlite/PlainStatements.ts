/**
 * Statements of `@effect/sql` that cost little where nobody looks at them. Each runs in a span and a scope of its own,
 * which is fifty steps of a fiber around one call of the driver. Where the program makes no spans and has no transformer
 * of statements, nobody would see the span; and the connection is not acquired, so a scope has nothing to release.
 */
import type { Connection, Row } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Statement from "@effect/sql/Statement"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import type { TransformRows } from "./ClientConnection.ts"

/** What runs the statements of a client. */
interface Place {
  readonly connectionIn: (context: Context.Context<never>) => Connection
  readonly transformRows: TransformRows
}

/** The same statement, which runs by itself where its span would not be seen. */
class PlainStatement<A> extends Effectable.Class<ReadonlyArray<A>, SqlError> implements Statement.Statement<A> {
  private readonly made: Statement.Statement<A>
  private readonly place: Place

  constructor(made: Statement.Statement<A>, place: Place) {
    super()
    this.made = made
    this.place = place
  }

  commit(): Effect.Effect<ReadonlyArray<A>, SqlError> {
    return Effect.withFiberRuntime((fiber) => {
      if (isSeen(fiber)) return this.made
      const [sql, parameters] = this.made.compile()
      return this.place.connectionIn(fiber.currentContext).execute(sql, parameters, this.place.transformRows)
    })
  }

  get [Statement.FragmentId]() {
    return this.made[Statement.FragmentId]
  }
  get segments() {
    return this.made.segments
  }
  get raw() {
    return this.made.raw
  }
  get withoutTransform() {
    return this.made.withoutTransform
  }
  get stream() {
    return this.made.stream
  }
  get values() {
    return this.made.values
  }
  get unprepared() {
    return this.made.unprepared
  }
  get compile() {
    return this.made.compile.bind(this.made)
  }
}

const isSeen = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean =>
  fiber.getFiberRef(FiberRef.currentTracerEnabled) || Option.isSome(fiber.getFiberRef(Statement.currentTransformer))

/** The same constructor of statements, which run by themselves where their spans would not be seen. */
export const plainStatements = (make: Statement.Constructor, place: Place): Statement.Constructor => {
  function sql<A extends object = Row>(strings: TemplateStringsArray, ...values: Array<unknown>): Statement.Statement<A>
  function sql(name: string): Statement.Identifier
  function sql<A extends object>(
    given: TemplateStringsArray | string,
    ...values: Array<unknown>
  ): Statement.Identifier | Statement.Statement<A> {
    return typeof given === "string" ? make(given) : new PlainStatement(make<A>(given, ...values), place)
  }
  return Object.assign(sql, make, {
    unsafe: <A extends object>(text: string, values?: ReadonlyArray<unknown>) =>
      new PlainStatement(make.unsafe<A>(text, values), place)
  })
}
