/** The bytes of a content as rows, in parts: a row is read and written as a whole, so it is in memory several times. */
import { createHash } from "node:crypto"
import { type FileHandle, open } from "node:fs/promises"
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import { ContentError, contentErrorOf, onDisk } from "../ContentError.ts"
import { isFull } from "../failures.ts"
import type { Received } from "../Incoming.ts"

/** Bytes of a part. */
const partBytes = 256 * 1024

/** How many are read with one statement. */
const atOnce = 8

const errorOf = (sha256: string) => (cause: SqlError | ContentError) =>
  cause instanceof SqlError && isFull(cause)
    ? new ContentError({ reason: "Full", path: sha256, code: "53100", detail: cause.message })
    : contentErrorOf(sha256, cause)

/** What fails in the database, as a failure of this content. */
export const inDatabase = <A, R>(
  sha256: string,
  effect: Effect.Effect<A, SqlError | ContentError, R>
): Effect.Effect<A, ContentError, R> => Effect.mapError(effect, errorOf(sha256))

const withFile = <A, E>(path: string, flags: string, use: (file: FileHandle) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(
    onDisk(path, () => open(path, flags, 0o600)),
    (file) =>
      // A disk may tell only now that it has not kept what was written.
      Effect.tap(use(file), () => onDisk(path, () => file.close())),
    (file) => Effect.ignoreLogged(onDisk(path, () => file.close()))
  )

const readPart = (file: FileHandle, path: string, part: number) =>
  onDisk(path, async () => {
    const bytes = Buffer.allocUnsafe(partBytes)
    let length = 0
    for (;;) {
      const { bytesRead } = await file.read(bytes, length, partBytes - length, part * partBytes + length)
      length += bytesRead
      if (bytesRead === 0 || length === partBytes) return bytes.subarray(0, length)
    }
  })

const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

export const contentParts = Effect.map(SqlClient.SqlClient, (sql) => {
  /**
   * Within a transaction: stores a content, or those of its parts that are not there as they should be. The first
   * statement locks it until the transaction ends: somebody else who stores it waits, and nobody discards it.
   */
  const store = ({ path, sha256, size }: Received) =>
    Effect.gen(function* () {
      yield* sql`INSERT INTO contents (sha256, size) VALUES (${sha256}, ${size})
        ON CONFLICT (sha256) DO UPDATE SET size = excluded.size`
      const known = yield* sql<{ readonly part: number; readonly digest: string }>`
        SELECT part, encode(sha256(bytes), 'hex') AS digest FROM content_parts WHERE sha256 = ${sha256}`
      const digests = new Map(known.map(({ digest, part }) => [part, digest]))
      const parts = Math.ceil(size / partBytes)
      yield* withFile(path, "r", (file) =>
        Effect.gen(function* () {
          for (let part = 0; part < parts; part += 1) {
            const bytes = yield* readPart(file, path, part)
            if (digests.get(part) === digestOf(bytes)) continue
            yield* sql`INSERT INTO content_parts (sha256, part, bytes) VALUES (${sha256}, ${part}, ${bytes})
              ON CONFLICT (sha256, part) DO UPDATE SET bytes = excluded.bytes`
          }
        })
      )
      yield* sql`DELETE FROM content_parts WHERE sha256 = ${sha256} AND part >= ${parts}`
    })

  const sizeOf = (sha256: string) =>
    Effect.map(
      inDatabase(sha256, sql<{ readonly size: number }>`SELECT size FROM contents WHERE sha256 = ${sha256}`),
      ([row]) => row?.size
    )

  /** The bytes of one content, by several statements: no connection is held while the disk takes them. */
  const copyTo = (file: FileHandle, path: string, sha256: string) =>
    Effect.gen(function* () {
      const hash = createHash("sha256")
      for (let part = 0; ; part += atOnce) {
        const rows = yield* sql<{ readonly bytes: Uint8Array }>`SELECT bytes FROM content_parts
          WHERE sha256 = ${sha256} AND part >= ${part} AND part < ${part + atOnce} ORDER BY part`
        for (const { bytes } of rows) {
          hash.update(bytes)
          yield* onDisk(path, () => file.writeFile(bytes))
        }
        if (rows.length < atOnce) return hash.digest("hex")
      }
    })

  /** Writes a content to a new file. Fails with `Damaged` if its bytes are not those of its name. */
  const read = Effect.fnUntraced(function* (sha256: string, path: string) {
    const size = yield* sizeOf(sha256)
    if (size === undefined) return yield* missing(sha256)
    const digest = yield* inDatabase(
      sha256,
      withFile(path, "wx", (file) => copyTo(file, path, sha256))
    )
    if (digest === sha256) return size
    // Somebody may have deleted it meanwhile.
    return yield* (yield* sizeOf(sha256)) === undefined ? missing(sha256) : damaged(sha256)
  })

  return { read, sizeOf, store }
})

const missing = (sha256: string) =>
  new ContentError({ reason: "Missing", path: sha256, code: "", detail: "The database has no such content." })

const damaged = (sha256: string) =>
  new ContentError({ reason: "Damaged", path: sha256, code: "", detail: "The bytes are not those that were stored." })
