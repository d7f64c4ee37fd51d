/** Texts that can be stored as they are: an unpaired surrogate has no bytes in UTF-8. */
import * as Schema from "effect/Schema"

export const isUnicode = (text: string): boolean => !/\p{Cs}/u.test(text)

export const notUnicode = "is not valid Unicode"

export const Text = Schema.String.pipe(Schema.filter(isUnicode, { message: () => notUnicode }))
