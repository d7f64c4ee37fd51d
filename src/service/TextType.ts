/** Which types are text, and whether bytes are UTF-8: what is created or changed in place must be readable. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { UnsupportedMediaType } from "./Api.ts"

/** Types that are text although their name does not say so (RFC 6838, 4.2.8 for the suffixes). */
const textual =
  /^(text\/[a-z0-9.+-]{1,64}|application\/(json|xml|yaml|x-yaml|toml|sql|javascript|x-javascript|ecmascript|x-sh|x-ndjson|jsonl|graphql|rtf|[a-z0-9.-]{1,64}\+(json|xml|yaml)))$/

export const isTextType = (mimeType: string): boolean => textual.test(mimeType)

const refused = (message: string) => new UnsupportedMediaType({ message })

/** The type without its parameters; `otherwise` if there is none. The only charset allowed is UTF-8. */
export const textTypeOf = (
  contentType: string | undefined,
  otherwise: string
): Effect.Effect<string, UnsupportedMediaType> => {
  const [essence = "", ...parameters] = (contentType ?? otherwise).toLowerCase().split(";")
  const type = essence.trim()
  if (!isTextType(type)) {
    return refused(`${type === "" ? "A content without a type" : type} is not text. Upload it as a file instead.`)
  }
  const charset = parameters
    .map((part) => /^\s*charset\s*=\s*"?([^"\s]*)"?\s*$/.exec(part)?.[1])
    .find((one) => one !== undefined)
  return charset === undefined || /^(utf-?8|us-ascii)$/.test(charset)
    ? Effect.succeed(type)
    : refused(`Send the text as UTF-8, not as ${charset}.`)
}

const notUtf8 = refused("The bytes are not valid UTF-8.")

/** Passes bytes on, and fails at the first that are not UTF-8. */
export const utf8Only = <E>(bytes: Stream.Stream<Uint8Array, E>): Stream.Stream<Uint8Array, E | UnsupportedMediaType> =>
  Stream.suspend(() => {
    const decoder = new TextDecoder("utf-8", { fatal: true })
    const check = (chunk: Uint8Array | undefined) =>
      Effect.try({ try: () => void decoder.decode(chunk, { stream: chunk !== undefined }), catch: () => notUtf8 })
    // A cut-off character shows only at the end.
    return Stream.concat(Stream.tap(bytes, check), Stream.execute(check(undefined)))
  })
