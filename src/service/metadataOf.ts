/** The field `metadata` of an upload: a JSON object of strings. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { InvalidUpload, Metadata } from "./Api.ts"
import { isStorable, longestKey, mostKeys } from "./GivenMetadata.ts"
import { hasFewStrings, lostName } from "./jsonMembers.ts"
import { notUnicode } from "./unicode.ts"

export const metadataOf = (json: string): Effect.Effect<typeof Metadata.Type, InvalidUpload> => {
  // First, because it takes least: to parse thousands of keys takes 5 ms or more.
  if (!hasFewStrings(json, 2 * mostKeys)) return manyKeys
  return Schema.decode(Schema.parseJson())(json).pipe(
    Effect.mapError(() => noMetadata),
    Effect.filterOrFail(hasFewKeys, () => manyKeys),
    Effect.filterOrFail(
      (value) => !(Predicate.isObject(value) && Object.hasOwn(value, lostName)),
      () => new InvalidUpload({ message: `No key in the field \`metadata\` can be \`${lostName}\`.` })
    ),
    Effect.flatMap((value) => Effect.mapError(Schema.decodeUnknown(Metadata)(value), () => noMetadata)),
    Effect.filterOrFail(isStorable, () => new InvalidUpload({ message: `The field \`metadata\` ${notUnicode}.` }))
  )
}

const noMetadata = new InvalidUpload({ message: "The field `metadata` is not a JSON object of strings." })

const manyKeys = new InvalidUpload({
  message: `The field \`metadata\` may have at most ${mostKeys} keys of at most ${longestKey} characters.`
})

const hasFewKeys = (value: unknown): boolean => {
  if (typeof value !== "object" || value === null) return true
  const keys = Object.keys(value)
  return keys.length <= mostKeys && keys.every((key) => key.length <= longestKey)
}
