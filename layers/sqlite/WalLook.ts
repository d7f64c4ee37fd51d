/** How large the WAL is, and who keeps it from starting over. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Metric from "effect/Metric"
import { nameHolders, readersOf } from "../machine/FileLocks.ts"
import { files, trySync } from "../machine/files.ts"
import type { Reading } from "./ClientConnection.ts"
import type { DatabaseConfig } from "./DatabaseConfig.ts"

export interface Wal {
  /** Bytes of the `-wal`; 0 where there is none, and where `warning` says that it could not be seen. */
  readonly bytes: number
  /** What is wrong with that; undefined if nothing is. */
  readonly warning: string | undefined
}

const size = Metric.gauge("database_ready_wal_bytes", { description: "Size of the database's WAL in bytes" })

/**
 * A WAL starts over when a checkpoint has reached its end and nobody reads from it any more. Until then it grows with
 * every commit, and reads get slower (https://sqlite.org/wal.html#avoiding_excessively_large_wal_files). When it starts
 * over, a commit truncates it to `journal_size_limit`: so a larger one has not started over since.
 */
export const lookAtWal = (
  file: string,
  { inMemory, pragmas }: DatabaseConfig["Type"],
  readings: ReadonlySet<Reading>
): Effect.Effect<Wal> =>
  inMemory
    ? Effect.succeed({ bytes: 0, warning: undefined })
    : Effect.gen(function* () {
        const look = yield* Effect.either(trySync(() => files.stat(`${file}-wal`)?.size ?? 0))
        if (Either.isLeft(look)) {
          return { bytes: 0, warning: `How large the WAL ${file}-wal is could not be seen: ${look.left.detail}` }
        }
        const bytes = look.right
        yield* Metric.set(size, bytes)
        const { journalSizeLimit } = pragmas
        const limit = journalSizeLimit < 0 ? usual : Math.max(journalSizeLimit, least)
        if (bytes <= limit) return { bytes, warning: undefined }
        const seen = yield* readersOf(file)
        const isSeen = seen.some(({ pid }) => pid === process.pid)
        const readers = readings.size === 0 || isSeen ? seen : [...seen, { pid: process.pid, name: undefined }]
        const who =
          readers.length === 0
            ? "No reader of it is seen: it starts over after a checkpoint that reaches its end."
            : `It starts over when this reader has finished: ${nameHolders(readers)}.${describe(readings)}`
        // Report only each doubling, not each byte.
        const magnitude = 2 ** Math.floor(Math.log2(bytes / 1024))
        return { bytes, warning: `The WAL ${file}-wal has grown over ${sizeOf(magnitude)}. ${who}` }
      })

/** The oldest first. A time of its begin, and not how long it has run: the text must not change with every look. */
const describe = (readings: ReadonlySet<Reading>): string => {
  const [oldest, ...others] = [...readings].sort((one, other) => one.since - other.since)
  if (oldest === undefined) return ""
  const { since, span, what } = oldest
  const where = span === undefined ? "" : ` in the span ${span}`
  const more = others.length === 0 ? "" : `, and ${others.length} more`
  return ` In this process that is a ${what}${where} that began at ${new Date(since).toISOString()}${more}.`
}

const sizeOf = (kibibytes: number): string => (kibibytes < 1024 ? `${kibibytes} KiB` : `${kibibytes / 1024} MiB`)

/** Twice the size at which SQLite checkpoints by itself: 1000 pages, of 4096 bytes by default. */
const least = 8 * 1024 * 1024

const usual = 64 * 1024 * 1024
