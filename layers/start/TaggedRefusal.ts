/**
 * The base of every refusal, and the catalogue of its reasons. How to write a new one (`DirectoryError.ts` is a short
 * example; `layers/operate` may have its own):
 *
 * 1. `class XError extends TaggedRefusal("XError")<{ readonly reason: "A" | "B" ... }> {}`: the reasons, each with a line
 *    of doc comment, and the facts; always `retryable: boolean` and `database?: string | undefined`.
 * 2. Below it `const catalogue: Catalogue<XError> = { A: { sentence, remedy, means }, B: ... }`. A part is a value, or a
 *    function of the error. A reason does not compile until its entry is whole.
 * 3. In the class `get entry(): Entry { return entryOf(catalogue, this) }`, which is internal. `sentence` and `remedy` are
 *    the entry's; a class overrides one of them to add the facts that every reason has.
 * 4. Nothing else: the message, the JSON, `refusalLines` and `exitCodeOf` follow.
 */
import type * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Predicate from "effect/Predicate"
import { jsonOf, messageOf, type Refusal } from "./Refusal.ts"

/** What a refusal means to who started the program. Its exit code follows from this. */
export type Meaning =
  | "usage"
  | "data"
  | "defect"
  | "cannotCreate"
  | "inputOutput"
  | "tryAgain"
  | "newerDatabase"
  | "permission"

/** What a reason says of one error. */
export interface Entry {
  readonly sentence: string
  readonly remedy: string
  /** Unless the error is retryable: then another start can help. */
  readonly means: Meaning
}

/** Every reason of a kind of error. */
export type Catalogue<E extends { readonly reason: string }> = {
  readonly [Reason in E["reason"]]: { readonly [Part in keyof Entry]: Entry[Part] | ((error: E) => Entry[Part]) }
}

export const entryOf = <E extends { readonly reason: string }>(catalogue: Catalogue<E>, error: NoInfer<E>): Entry => {
  const reason: E["reason"] = error.reason
  const { means, remedy, sentence } = catalogue[reason]
  return {
    sentence: typeof sentence === "string" ? sentence : sentence(error),
    remedy: typeof remedy === "string" ? remedy : remedy(error),
    means: typeof means === "string" ? means : means(error)
  }
}

/** A refusal that is in a catalogue, as all of this library are. */
export interface Catalogued extends Refusal {
  /** @internal */
  readonly entry: Entry
}

/** On the prototype of every kind of refusal, in whatever room it is; the same in every copy of this library. */
export const refusalBrand: unique symbol = Symbol.for("database-ready/Refusal")

/**
 * Whether an error is a refusal of this library, of whatever kind.
 *
 * @example
 * ```ts
 * import { isRefusal, refusalLines } from "database-ready"
 *
 * export const told = (error: unknown) => (isRefusal(error) ? refusalLines(error).join("\n") : String(error))
 * ```
 */
export const isRefusal = (error: unknown): error is Catalogued => Predicate.hasProperty(error, refusalBrand)

/** What a program that prints a refusal shows. */
export interface Printed {
  /** What is wrong, for people. */
  readonly sentence: string
  /** What to do now, for people. */
  readonly remedy: string
  /** The sentence, the database and the remedy in one line. */
  readonly message: string
  /** What JSON loggers write: the sentence as `message`, the remedy, and the facts. */
  toJSON(): object
}

/** What a kind of refusal extends. */
export type RefusalClass<Tag extends string> = new <A extends Pick<Refusal, "reason">>(
  facts: A
) => Printed & Cause.YieldableError & { readonly _tag: Tag } & Readonly<A>

/** `Data.TaggedError` with the words of a refusal: sentence and remedy of its entry, message and JSON of both. */
export function TaggedRefusal<Tag extends string>(tag: Tag): RefusalClass<Tag>
export function TaggedRefusal(tag: string): object {
  const base = Data.TaggedError(tag)
  Object.defineProperties(base.prototype, {
    [refusalBrand]: { value: true },
    sentence: {
      get(this: Catalogued) {
        return this.entry.sentence
      }
    },
    remedy: {
      get(this: Catalogued) {
        return this.entry.remedy
      }
    },
    message: {
      get(this: Refusal) {
        return messageOf(this)
      }
    },
    toJSON: {
      value(this: Refusal) {
        return jsonOf(this)
      }
    }
  })
  return base
}
