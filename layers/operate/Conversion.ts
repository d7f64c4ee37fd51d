/** What a conversion is asked for, and what it did. */

import { declaring, type TextChange } from "../schema/ConvertedText.ts"
import type { LeftFile } from "../schema/ForeignLayout.ts"
import type { OnOpen } from "../sqlite/OnOpen.ts"
import { ConvertError } from "./ConvertError.ts"

/** What to convert, and where to. */
export interface ConvertOptions {
  /** The directory of another tool's migrations. It is only read. */
  readonly source: string
  /** A directory that is not there yet, or is empty; its parent has to be there. */
  readonly destination: string
  /** Only says what would be written. Default false. */
  readonly dryRun?: boolean | undefined
  /** Functions and extensions that the migrations call, as for a start. Default none. */
  readonly onOpen?: OnOpen | undefined
}

/** A file that was written. */
export interface ConvertedFile {
  /** The other tool's file, below its directory. */
  readonly from: string
  /** Its name here. */
  readonly to: string
  /** What was changed in its text, in the order of its lines. */
  readonly changes: ReadonlyArray<TextChange>
  /** What it declares now, such as `foreign_keys = off`. Look at each: it allows what the library else refuses. */
  readonly declares: ReadonlyArray<string>
}

/** What was written, or would be. */
export interface Conversion {
  /** Absolute path of what was read. */
  readonly source: string
  /** Absolute path of what was written. */
  readonly destination: string
  /** Whether it was written; false for a look. */
  readonly isWritten: boolean
  /** Whose layout it is, for people, as far as it tells. */
  readonly layout: string
  /** Whether the migrations have other numbers than before. */
  readonly isRenumbered: boolean
  /** The migrations, in their order. */
  readonly files: ReadonlyArray<ConvertedFile>
  /** SQL files that were left out, each with the reason. */
  readonly left: ReadonlyArray<LeftFile>
  /** How many objects the schema has that both make. */
  readonly objects: number
}

export const errorOf = (
  reason: ConvertError["reason"],
  directory: string,
  facts: Partial<Pick<ConvertError, "code" | "cure" | "detail" | "file" | "retryable">> = {}
) => new ConvertError({ reason, directory, file: "", detail: "", cure: "", code: "", retryable: false, ...facts })

/** A file as it is to be written. */
export interface Converted extends ConvertedFile {
  readonly text: string
  /** Whose marks were in it. */
  readonly tools: ReadonlySet<string>
}

export const textOf = ({ declares, text }: Converted): string => declaring(text, declares)
