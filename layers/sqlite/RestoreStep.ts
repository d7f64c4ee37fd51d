/** What a restore tells while it runs. */
import * as Effect from "effect/Effect"
import { files, trySync } from "../machine/files.ts"
import { largeCopy } from "./DatabaseCopy.ts"

/** A step of a restore that takes long, told before it runs. */
export interface RestoreStep {
  /** Such as "keeping what was there". */
  readonly doing: string
  /** The bytes that it reads. */
  readonly bytes: number
}

/** Tells a step that reads a file. */
export type Tell = (doing: string, file: string) => Effect.Effect<void>

export const tellLarge =
  (onProgress: (step: RestoreStep) => Effect.Effect<unknown>): Tell =>
  (doing, file) =>
    trySync(() => files.stat(file)?.size ?? 0).pipe(
      // What cannot be looked at is refused by the step itself.
      Effect.orElseSucceed(() => 0),
      Effect.flatMap((bytes) => Effect.when(onProgress({ doing, bytes }), () => bytes > largeCopy)),
      Effect.asVoid
    )
