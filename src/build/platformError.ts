/** The errors of `@effect/platform` without their schemas, for the program, where nothing encodes one. */
import * as Data from "effect/Data"
import * as Predicate from "effect/Predicate"

export const TypeId: unique symbol = Symbol.for("@effect/platform/Error")

export const isPlatformError = (thing: unknown): boolean => Predicate.hasProperty(thing, TypeId)

export const TypeIdError = (typeId: symbol, tag: string) => {
  class Base extends Data.Error {
    readonly _tag = tag
  }
  Object.assign(Base.prototype, { [typeId]: typeId, name: tag })
  return Base
}

interface Facts {
  readonly module: string
  readonly method: string
  readonly description?: string | undefined
  readonly cause?: unknown
}

interface SystemFacts extends Facts {
  readonly reason: string
  readonly syscall?: string | undefined
  readonly pathOrDescriptor?: string | number | undefined
}

const described = ({ description, method, module }: Facts, where = ""): string =>
  `${module}.${method}${where}${description ? `: ${description}` : ""}`

export class BadArgument extends Data.TaggedError("BadArgument")<Facts> {
  readonly [TypeId] = TypeId
  override get message(): string {
    return described(this)
  }
}

export class SystemError extends Data.TaggedError("SystemError")<SystemFacts> {
  readonly [TypeId] = TypeId
  override get message(): string {
    const where = this.pathOrDescriptor === undefined ? "" : ` (${this.pathOrDescriptor})`
    return `${this.reason}: ${described(this, where)}`
  }
}
