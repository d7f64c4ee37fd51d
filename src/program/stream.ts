/** `--json=stream`: one line on stdout for each event, and the result last, as `--json` prints it. */
import * as Effect from "effect/Effect"
import { say } from "./say.ts"

/** How the flag is written. The parser, which knows switches only, reads it as `--json`. */
const streaming = "--json=stream"

/** Whether events are wanted. */
export const isStream: boolean = process.argv.includes(streaming)

/** Whether stdout is for programs. */
export const isJson: boolean = isStream || process.argv.includes("--json")

/** The words of a command line as the parser reads them. */
export const withoutStream = (words: ReadonlyArray<string>): ReadonlyArray<string> =>
  words.map((word) => (word === streaming ? "--json" : word))

/** Writes an event; `at` in milliseconds since the epoch. A failure to write is the result's to tell. */
export const emit = (event: string, at: number, facts: object): Effect.Effect<void> =>
  Effect.ignore(say(JSON.stringify({ event, at: new Date(at).toISOString(), ...facts })))
