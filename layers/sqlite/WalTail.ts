/**
 * Applies the commits that a WAL got after a moment to a copy of the database from that moment. A reader that holds the
 * moment keeps them in the WAL: a checkpoint gets no further than what the reader sees, so the WAL starts over only if
 * nothing was committed since (https://sqlite.org/walformat.html, 4.3 and 4.4).
 */
import { closeSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import { files, trySync } from "../machine/files.ts"
import type { SystemFailure } from "../machine/SystemFailure.ts"

/** Where the last commit in a WAL ends. */
export interface WalEnd {
  /** The salts of this WAL, in hexadecimal; they change when it starts over. "" if it has no header. */
  readonly salts: string
  /** The frame that ends the last commit; 0 if there is none. */
  readonly frame: number
  /** The checksum up to there. */
  readonly sums: Sums
}

type Sums = readonly [number, number]

interface Header {
  readonly salts: string
  readonly pageSize: number
  readonly isLittle: boolean
  readonly sums: Sums
}

/** Bytes of the WAL header and of a frame header (https://sqlite.org/fileformat2.html#walformat). */
const headerSize = 32
const frameHeaderSize = 24

/** A larger WAL is not read with the write lock held: that would take more than a fifth of a second. */
const readableAtOnce = 64 * 1024 * 1024

/** Commits of more bytes are not applied to a copy. */
const largest = 256 * 1024 * 1024

/** Where the commits end. Run it with the write lock held. Undefined if that cannot be told. */
export const endOfCommits = (
  database: string,
  breathe: Effect.Effect<void>
): Effect.Effect<WalEnd | undefined, SystemFailure> =>
  withWal(database, (wal) =>
    Effect.gen(function* () {
      const header = yield* trySync(() => headerOf(wal))
      if (header === undefined) return yield* trySync(() => (sizeOf(database) === 0 ? noHeader : undefined))
      if ((yield* trySync(() => sizeOf(database))) > readableAtOnce) return undefined
      return (yield* commitsFrom(wal, header, { ...header, frame: 0 }, breathe)).end
    })
  )

/**
 * Applies what was committed since to the copy, which nobody has open, and returns the new end. Undefined if it cannot
 * be told what was committed: the copy is then useless. With the write lock held, the copy is then complete.
 */
export const applyCommits = (
  database: string,
  since: WalEnd,
  copy: string,
  breathe: Effect.Effect<void>
): Effect.Effect<WalEnd | undefined, SystemFailure> =>
  withWal(database, (wal) =>
    Effect.gen(function* () {
      const header = yield* trySync(() => headerOf(wal))
      // The WAL was emptied, and nothing was committed since.
      if (header === undefined) return yield* trySync(() => (sizeOf(database) === 0 ? { ...since } : undefined))
      const isSame = header.salts === since.salts
      if (isSame && !(yield* trySync(() => isStill(wal, header, since)))) return undefined
      const from: WalEnd = isSame && since.frame > 0 ? since : { ...header, frame: 0 }
      const { end, pages } = yield* commitsFrom(wal, header, from, breathe)
      if (end.frame - from.frame > largest / header.pageSize) return undefined
      if (end.frame > from.frame)
        yield* writePages(wal, header, { from: from.frame, to: end.frame, pages }, copy, breathe)
      return end
    })
  )

const noHeader: WalEnd = { salts: "", frame: 0, sums: [0, 0] }

/** Safe to open and close: SQLite holds no locks on the WAL file itself. */
const withWal = <A>(database: string, use: (wal: number) => Effect.Effect<A, SystemFailure>) =>
  Effect.acquireUseRelease(
    trySync(() => openSync(`${database}-wal`, "r")),
    use,
    (wal) => Effect.ignore(trySync(() => closeSync(wal)))
  )

const sizeOf = (database: string): number => files.stat(`${database}-wal`)?.size ?? 0

const headerOf = (wal: number): Header | undefined => {
  const bytes = Buffer.alloc(headerSize)
  if (readSync(wal, bytes, 0, headerSize, 0) < headerSize) return undefined
  const magic = bytes.readUInt32BE(0)
  if (magic !== 0x377f_0682 && magic !== 0x377f_0683) return undefined
  const isLittle = magic === 0x377f_0682
  const sums = sumsOf(bytes.subarray(0, 24), isLittle, [0, 0])
  if (sums[0] !== bytes.readUInt32BE(24) || sums[1] !== bytes.readUInt32BE(28)) return undefined
  return { salts: bytes.toString("hex", 16, 24), pageSize: bytes.readUInt32BE(8), isLittle, sums }
}

/** The length must be a multiple of eight (https://sqlite.org/fileformat2.html#checksum_algorithm). */
const sumsOf = (bytes: Buffer, isLittle: boolean, [first, second]: Sums): Sums => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let [one, two] = [first, second]
  for (let at = 0; at < bytes.length; at += 8) {
    one = (one + view.getUint32(at, isLittle) + two) >>> 0
    two = (two + view.getUint32(at + 4, isLittle) + one) >>> 0
  }
  return [one, two]
}

const offsetOf = (frame: number, { pageSize }: Header): number =>
  headerSize + (frame - 1) * (frameHeaderSize + pageSize)

/** Whether the last frame that was read is unchanged. */
const isStill = (wal: number, header: Header, { frame, sums }: WalEnd): boolean => {
  if (frame === 0) return true
  const bytes = Buffer.alloc(frameHeaderSize)
  readSync(wal, bytes, 0, frameHeaderSize, offsetOf(frame, header))
  return bytes.readUInt32BE(16) === sums[0] && bytes.readUInt32BE(20) === sums[1]
}

/** Reads frames while they belong to this WAL and are complete. `pages`: the size of the database at the end. */
const commitsFrom = Effect.fnUntraced(function* (
  wal: number,
  header: Header,
  from: WalEnd,
  breathe: Effect.Effect<void>
) {
  let end: WalEnd = { salts: header.salts, frame: from.frame, sums: from.sums }
  let pages = 0
  let sums = from.sums
  const bytes = Buffer.alloc(frameHeaderSize + header.pageSize)
  for (let frame = from.frame + 1; ; frame += 1) {
    const read = yield* trySync(() => readSync(wal, bytes, 0, bytes.length, offsetOf(frame, header)))
    if (read < bytes.length || bytes.toString("hex", 8, 16) !== header.salts) break
    sums = sumsOf(bytes.subarray(0, 8), header.isLittle, sums)
    sums = sumsOf(bytes.subarray(frameHeaderSize), header.isLittle, sums)
    if (sums[0] !== bytes.readUInt32BE(16) || sums[1] !== bytes.readUInt32BE(20)) break
    const size = bytes.readUInt32BE(4)
    if (size > 0) {
      end = { salts: header.salts, frame, sums }
      pages = size
    }
    yield* breathe
  }
  return { end, pages }
})

interface Frames {
  /** Frames after this one, */
  readonly from: number
  /** up to this one. */
  readonly to: number
  readonly pages: number
}

const writePages = (
  wal: number,
  header: Header,
  { from, pages, to }: Frames,
  copy: string,
  breathe: Effect.Effect<void>
) =>
  Effect.acquireUseRelease(
    trySync(() => openSync(copy, "r+")),
    Effect.fnUntraced(function* (target) {
      const bytes = Buffer.alloc(frameHeaderSize + header.pageSize)
      for (let frame = from + 1; frame <= to; frame += 1) {
        yield* trySync(() => {
          readSync(wal, bytes, 0, bytes.length, offsetOf(frame, header))
          const page = bytes.readUInt32BE(0)
          const content = bytes.subarray(frameHeaderSize)
          // Mark the copy as a database with a rollback journal, not a WAL
          // (https://sqlite.org/fileformat2.html#file_format_version_numbers).
          if (page === 1) content.fill(1, 18, 20)
          writeSync(target, content, 0, content.length, (page - 1) * header.pageSize)
        })
        yield* breathe
      }
      yield* trySync(() => ftruncateSync(target, pages * header.pageSize))
    }),
    (target) => Effect.ignore(trySync(() => closeSync(target)))
  )
