/** Compresses and unpacks files with what the runtime brings, with the event loop free in between. */
import { createHash } from "node:crypto"
import { closeSync, createReadStream, createWriteStream, openSync, readSync } from "node:fs"
import type { Duplex } from "node:stream"
import { pipeline } from "node:stream/promises"
import * as zlib from "node:zlib"
import * as Effect from "effect/Effect"
import { SystemFailure } from "./SystemFailure.ts"

/** The values of `Compression`, for the choices of a flag or a setting. */
export const compressions = ["gzip", "zstd"] as const
/** How a backup is compressed. `gzip` works everywhere; `zstd` from Node.js 22.15 and 23.8 on. */
export type Compression = (typeof compressions)[number]

/** What the names of such files end with. */
export const endings: Readonly<Record<Compression, string>> = { gzip: ".gz", zstd: ".zst" }

/** The first bytes of such files (RFC 1952, 2.3.1; RFC 8878, 3.1.1). */
const signatures: Readonly<Record<Compression, string>> = { gzip: "1f8b", zstd: "28b52ffd" }

/** By the first bytes of a file; undefined for anything else. */
export const compressionOf = (head: Uint8Array): Compression | undefined => {
  const hex = Buffer.from(head).toString("hex")
  return compressions.find((format) => hex.startsWith(signatures[format]))
}

type Make = () => Duplex
const isMake = (made: unknown): made is Make => typeof made === "function"
/** Not in the types of the oldest Node.js that this library runs on. */
const all: Readonly<Partial<Record<string, unknown>>> = { ...zlib }
const named = (name: string): Make | undefined => (isMake(all[name]) ? all[name] : undefined)
const packing: Readonly<Record<Compression, Make | undefined>> = {
  gzip: () => zlib.createGzip(),
  zstd: named("createZstdCompress")
}
const unpacking: Readonly<Record<Compression, Make | undefined>> = {
  gzip: () => zlib.createGunzip(),
  zstd: named("createZstdDecompress")
}

/** Whether this runtime has it. */
export const hasCompression = (format: Compression): boolean => packing[format] !== undefined

/** Told with the bytes that are read. */
type Told = (done: number) => void

/**
 * Compresses a file into another, which is there and empty; unpacks it again, and compares. Fails with a
 * `SystemFailure`.
 */
export const compressFile = (from: string, to: string, format: Compression, told: Told = () => undefined) =>
  through(packing[format], format, (compress, signal) =>
    digested(async (seen) => {
      await pipeline(createReadStream(from), seen(told), compress, createWriteStream(to, { flags: "r+" }), { signal })
    })
  ).pipe(
    Effect.zip(
      through(unpacking[format], format, (unpack, signal) =>
        digested((seen) => pipeline(createReadStream(to), unpack, seen(), drain, { signal }))
      )
    ),
    Effect.flatMap(([before, after]) =>
      before === after
        ? Effect.void
        : new SystemFailure({ code: "", detail: `${to} does not unpack to what was compressed` })
    )
  )

/** Unpacks a file into another, which is there and empty. */
export const unpackFile = (from: string, to: string, format: Compression) =>
  Effect.asVoid(
    through(unpacking[format], format, (unpack, signal) =>
      pipeline(createReadStream(from), unpack, createWriteStream(to, { flags: "r+" }), { signal })
    )
  )

/** The first bytes of what a compressed file holds. */
export const unpackedHead = (from: string, format: Compression, bytes: number) =>
  through(unpacking[format], format, async (unpack, signal) => {
    const chunks: Array<Buffer> = []
    let length = 0
    const source = createReadStream(from, { signal })
    source.on("error", (failure) => unpack.destroy(failure))
    source.pipe(unpack)
    try {
      for await (const chunk of unpack) {
        chunks.push(Buffer.from(chunk))
        length += chunk.length
        if (length >= bytes) break
      }
    } finally {
      source.destroy()
    }
    return Buffer.concat(chunks).subarray(0, bytes)
  })

/** The first bytes of a file that no connection of this process has open. Run it inside `trySync`. */
export const headOf = (path: string, bytes: number): Buffer => {
  const descriptor = openSync(path, "r")
  try {
    const head = Buffer.alloc(bytes)
    return head.subarray(0, readSync(descriptor, head, 0, bytes, 0))
  } finally {
    closeSync(descriptor)
  }
}

const through = <A>(
  make: Make | undefined,
  format: Compression,
  use: (stream: Duplex, signal: AbortSignal) => Promise<A>
): Effect.Effect<A, SystemFailure> =>
  make === undefined
    ? Effect.fail(
        new SystemFailure({
          code: "ENOTSUP",
          detail: `${process.version} has no ${format}; Node.js 22.15, 23.8 and newer have it`
        })
      )
    : Effect.tryPromise({ try: (signal) => use(make(), signal), catch: SystemFailure.from })

/** SHA-256 of what passes. */
const digested = async (
  run: (seen: (told?: Told) => (source: AsyncIterable<Buffer>) => AsyncIterable<Buffer>) => Promise<unknown>
): Promise<string> => {
  const hash = createHash("sha256")
  await run(
    (told) =>
      async function* (source) {
        let done = 0
        for await (const chunk of source) {
          hash.update(chunk)
          done += chunk.length
          told?.(done)
          yield chunk
        }
      }
  )
  return hash.digest("hex")
}

const drain = async (source: AsyncIterable<Buffer>): Promise<void> => {
  for await (const _ of source);
}
