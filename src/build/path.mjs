/** The tag of `@effect/platform/Path` without its layer, which nothing in the program takes. */
import { GenericTag } from "effect/Context"

export const TypeId = Symbol.for("@effect/platform/Path")
export const Path = GenericTag("@effect/platform/Path")
