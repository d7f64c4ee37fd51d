/** Path and query parameters that several endpoints share. */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { AnySessionId, FileId, SessionId } from "./ApiModels.ts"
import { cursorAs, cursorOf } from "./Cursor.ts"

export const limit = Schema.optionalWith(Schema.NumberFromString.pipe(Schema.int(), Schema.between(1, 200)), {
  default: () => 50
})

const usual = /^[\d:.TZ +-]{0,40}~[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

const unusual = cursorAs(Schema.Tuple(Schema.NullOr(Schema.Union(Schema.String, Schema.Number)), Schema.String))

/** The time of a file (as stored in the database) and its id. */
export interface FilePosition {
  readonly at: string | number | null
  readonly fileId: string
}

/** Where a page begins: after this file. Times and ids of an earlier system may have any form, so they are encoded. */
export const FileCursor = {
  of: ({ at, fileId }: FilePosition): string => {
    const cursor = `${at ?? ""}~${fileId}`
    return at !== "" && usual.test(cursor) ? cursor : cursorOf([at, fileId])
  },
  read: (cursor: string): Option.Option<FilePosition> => {
    const [at = "", fileId = ""] = cursor.split("~")
    return usual.test(cursor)
      ? Option.some({ at: at === "" ? null : at, fileId })
      : Option.map(unusual.read(cursor), ([at, fileId]) => ({ at, fileId }))
  }
}

const Cursor = Schema.String.pipe(
  Schema.filter((cursor) => Option.isSome(FileCursor.read(cursor)), {
    identifier: "Cursor",
    description: "the `next` of the page before"
  })
)

/** Where a page begins: after the entry with this number. */
export const Position = Schema.NumberFromString.pipe(Schema.int(), Schema.nonNegative())

export const PageOf = { limit, after: Schema.optional(Cursor) }

/** Files whose names contain this. The case of a to z does not count. */
export const name = Schema.optional(Schema.String.pipe(Schema.minLength(1), Schema.maxLength(255)))

/** An existing session, whatever its name. */
export const inSession = Schema.Struct({ sessionId: AnySessionId })
/** A session to add to. It may be new. */
export const inWritableSession = Schema.Struct({ sessionId: SessionId })
export const ofFile = Schema.Struct({ fileId: FileId })
