/** Metadata that a client gives with a file: each key is a row. */
import * as Schema from "effect/Schema"
import { Metadata } from "./ApiModels.ts"
import { isUnicode, notUnicode } from "./unicode.ts"

/** Whether databases give back its keys and values as they were given. */
export const isStorable = (metadata: typeof Metadata.Type): boolean => Object.entries(metadata).flat().every(isUnicode)

export const mostKeys = 100
/** Characters. */
export const longestKey = 128
/** Characters of all keys and values. */
const longest = 65_536

/** The same limits as for an upload, whose field may have 64 KiB. */
export const GivenMetadata = Metadata.pipe(
  Schema.filter(
    (metadata) => {
      const entries = Object.entries(metadata)
      return (
        entries.length <= mostKeys &&
        entries.every(([key]) => key.length <= longestKey) &&
        entries.reduce((sum, [key, value]) => sum + key.length + value.length, 0) <= longest
      )
    },
    {
      message: () =>
        `may have at most ${mostKeys} keys, ${longestKey} characters in a key, and ${longest} characters in all`
    }
  ),
  Schema.filter(isStorable, { message: () => notUnicode })
)
