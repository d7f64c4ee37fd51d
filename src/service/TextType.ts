/** Which types are text, and whether bytes are: what is created and changed in place has to be readable as UTF-8. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { UnsupportedMediaType } from "./Api.ts"

/** Types that are text without being called so (RFC 6838, 4.2.8 for the suffixes). */
const textual =
  /^(text\/[a-z0-9.+-]{1,64}|application\/(json|xml|yaml|x-yaml|toml|sql|javascript|x-javascript|ecmascript|x-sh|x-ndjson|jsonl|graphql|rtf|[a-z0-9.-]{1,64}\+(json|xml|yaml)))$/

export const isTextType = (mimeType: string): boolean => textual.test(mimeType)

const refused = (message: string) => new UnsupportedMediaType({ message })

/** The type without its parameters, of which a charset may be UTF-8 alone; `otherwise` where none is given. */
export const textTypeOf = (
  contentType: string | undefined,
  otherwise: string
): Effect.Effect<string, UnsupportedMediaType> => {
  const [essence = "", ...parameters] = (contentType ?? otherwise).toLowerCase().split(";")
  const type = essence.trim()
  if (!isTextType(type)) {
    return refused(`${type === "" ? "A content without a type" : type} is no text. Upload it as a file instead.`)
  }
  const charset = parameters
    .map((part) => /^\s*charset\s*=\s*"?([^"\s]*)"?\s*$/.exec(part)?.[1])
    .find((one) => one !== undefined)
  return charset === undefined || /^(utf-?8|us-ascii)$/.test(charset)
    ? Effect.succeed(type)
    : refused(`A text is stored as UTF-8, not as ${charset}.`)
}

const notUtf8 = refused("The bytes are no valid UTF-8.")

/** Passes bytes on, and fails at the first that are not UTF-8. */
export const utf8Only = <E>(bytes: Stream.Stream<Uint8Array, E>): Stream.Stream<Uint8Array, E | UnsupportedMediaType> =>
  Stream.suspend(() => {
    const decoder = new TextDecoder("utf-8", { fatal: true })
    const check = (chunk: Uint8Array | undefined) =>
      Effect.try({ try: () => void decoder.decode(chunk, { stream: chunk !== undefined }), catch: () => notUtf8 })
    // A character that is cut off shows at the end alone.
    return Stream.concat(Stream.tap(bytes, check), Stream.execute(check(undefined)))
  })
