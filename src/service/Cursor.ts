/**
 * Where a page of a list ends: the values that order the list, as text for the client to send back for the next page.
 * Base64url, because ids of an earlier system may have any character.
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const encoded = /^[A-Za-z0-9_-]{1,2048}$/

export const cursorOf = (values: ReadonlyArray<string | number | null>): string =>
  Buffer.from(JSON.stringify(values)).toString("base64url")

/** A cursor as a parameter, and its values. A text that no list returned is refused. */
export const cursorAs = <A, I>(values: Schema.Schema<A, I>) => {
  const decode = Schema.decodeUnknownEither(Schema.parseJson(values))
  const read = (cursor: string): Option.Option<A> =>
    encoded.test(cursor) ? Either.getRight(decode(Buffer.from(cursor, "base64url").toString("utf8"))) : Option.none()
  return {
    schema: Schema.String.pipe(
      Schema.filter((cursor) => Option.isSome(read(cursor)), {
        identifier: "PageCursor",
        description: "the `next` of the page before"
      })
    ),
    read
  }
}
