/** Parts of paths and queries that several endpoints take. */
import * as Schema from "effect/Schema"
import { FileId, SessionId } from "./ApiModels.ts"

export const limit = Schema.optionalWith(Schema.NumberFromString.pipe(Schema.int(), Schema.between(1, 200)), {
  default: () => 50
})

/** Where a page begins: behind the file with this time, as the database has it, and id. */
const Cursor = Schema.String.pipe(
  Schema.pattern(/^[\d:.TZ +-]{0,40}~[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
    identifier: "Cursor",
    description: "the `next` of the page before"
  })
)

/** Where a page begins: behind the one with this number. */
export const Position = Schema.NumberFromString.pipe(Schema.int(), Schema.nonNegative())

export const PageOf = { limit, after: Schema.optional(Cursor) }

/** Files whose names contain this, whatever the case of its letters a to z. */
export const name = Schema.optional(Schema.String.pipe(Schema.minLength(1), Schema.maxLength(255)))

export const inSession = Schema.Struct({ sessionId: SessionId })
export const ofFile = Schema.Struct({ fileId: FileId })
