/** What backups of a database there are, beside it or in another directory. */
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import { type Compression, compressionOf, headOf, unpackedHead } from "../machine/compression.ts"
import { files, kindOf, trySync } from "../machine/files.ts"
import type { SystemFailure } from "../machine/SystemFailure.ts"
import { readHistory } from "../sqlite/AppliedMigrations/MigrationHistory.ts"
import { markOf } from "../sqlite/BackupFiles.ts"
import { copyTimeIn, millisOf, parseBackupName } from "../sqlite/BackupNames.ts"
import { absoluteName, isInMemory, realFile } from "../sqlite/DatabasePath.ts"
import { DirectoryError, refusal, refusalOfName } from "../sqlite/DirectoryError.ts"
import { atEdge } from "../sqlite/edge.ts"
import { likenessOf } from "../sqlite/Likeness.ts"
import { type OnOpen, withOnOpen } from "../sqlite/OnOpen.ts"
import { proveCopy } from "../sqlite/PageCheck.ts"
import { readableCopy } from "../sqlite/ReadableCopy.ts"
import { isVerdict, newestVersion, whatIsWrong } from "../sqlite/RestoreChoice.ts"
import { openSqlite } from "../sqlite/Sqlite.ts"
import type { Attempt } from "../start/Attempt.ts"
import { inDatabase } from "../start/Refusal.ts"

/** A backup of a database, or what could be one. */
export interface ListedBackup {
  /** Absolute path. */
  readonly file: string
  /**
   * By its name. `upgrade`: made before an upgrade. `copy`: asked for, or made by `maintenance`. `replaced`: what was
   * there before a restore. `unknown`: something else made it.
   */
  readonly kind: "upgrade" | "copy" | "replaced" | "unknown"
  /** The newest version that its history records, or that its header says; undefined where nobody knows. */
  readonly schemaVersion: string | undefined
  /** When it was made, ISO 8601, UTC. */
  readonly at: string
  /** Where that is from: its name, or the time of the file, which copying changes. */
  readonly atFrom: "name" | "file"
  /** Bytes of the file. */
  readonly bytes: number
  /** How it is compressed, or `none`. */
  readonly compression: Compression | "none"
  /** `ok` only where its pages were checked. */
  readonly soundness: "not checked" | "ok" | "damaged" | "unreadable"
  /** What is odd about it, or "". */
  readonly detail: string
}

/** Whose backups, and how far to look. */
export interface ListBackupsOptions {
  /** The database file, which may be gone. */
  readonly filename: string
  /** Another directory to look in too. The names of the backups begin with that of the database. Default none. */
  readonly directory?: string | undefined
  /** Check the pages of each. Compressed ones are unpacked in the directory for temporary files. Default false. */
  readonly verify?: boolean | undefined
  /** What each connection needs before anything else, as for a start. Default none. */
  readonly onOpen?: OnOpen | undefined
  /** Called with what is done of the check of a large one. Default none. */
  readonly onProgress?: ((doing: string, done: number, total: number) => Effect.Effect<void>) | undefined
}

/**
 * The backups of a database, the newest first. Nothing is written. One that is odd is listed with what is odd about it.
 * Fails with `DirectoryError` where a directory cannot be read.
 *
 * @example
 * ```ts
 * import { listBackups } from "database-ready/operate"
 * import { Console, Effect } from "effect"
 *
 * export const newest = listBackups({ filename: "data/app.db", verify: true }).pipe(
 *   Effect.flatMap(([first]) => Console.log(first?.file, first?.soundness))
 * )
 * ```
 */
export const listBackups = ({ directory, filename, onOpen, onProgress, verify = false }: ListBackupsOptions) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    if (isInMemory(filename)) {
      const facts = { path: filename, detail: "a database in memory has no file", retryable: false }
      return yield* new DirectoryError({ reason: "InvalidFilename", ...facts })
    }
    const wrong = refusalOfName(filename)
    if (wrong !== undefined) return yield* wrong
    const wanted = path.resolve(filename)
    const file = yield* inDirectory(wanted, () => realFile(path, wanted) ?? wanted)
    const places = new Set([path.dirname(file), ...(directory === undefined ? [] : [path.resolve(directory)])])
    const listed: Array<ListedBackup> = []
    for (const place of places) {
      const stem = path.join(place, path.basename(file))
      const names = yield* inDirectory(stem, () => files.names(place))
      const ours = names.filter(
        (name) => name.startsWith(path.basename(file)) && isBackup(name.slice(path.basename(file).length))
      )
      for (const name of ours) {
        const found = yield* lookAt(stem, path.join(place, name), verify, onProgress ?? (() => Effect.void))
        if (found !== undefined) listed.push(found)
      }
    }
    return listed.sort((one, other) =>
      one.at === other.at ? compare(one.file, other.file) : compare(other.at, one.at)
    )
  }).pipe(
    withOnOpen(onOpen),
    Effect.mapError((refused) => inDatabase(absoluteName(filename), refused))
  )

const compare = (one: string, other: string): number => (one < other ? -1 : 1)

const inDirectory = <A>(file: string, question: () => A) =>
  Effect.flatMap(Path.Path, (path) =>
    Effect.mapError(trySync(question), (failure) => refusal("inspect", file, path.dirname(file), failure))
  )

/** What follows the name of the database. */
const isBackup = (more: string): boolean => /^\..*\.backup(\.gz|\.zst)?$|^\.replaced-[^.-]+$/.test(more)

const kindIn = (more: string): { readonly kind: ListedBackup["kind"]; readonly at: number | undefined } => {
  const copied = copyTimeIn(more, true)
  if (copied !== undefined) return { kind: "copy", at: copied }
  const replaced = millisOf(/^\.replaced-(\w+)$/.exec(more)?.[1] ?? "")
  if (replaced !== undefined) return { kind: "replaced", at: replaced }
  return { kind: parseBackupName(more) === undefined ? "unknown" : "upgrade", at: undefined }
}

/** Undefined for one that was deleted meanwhile. */
const lookAt = (stem: string, file: string, verify: boolean, progress: Attempt["progress"]) =>
  Effect.gen(function* () {
    const { at, kind } = kindIn(file.slice(stem.length))
    const first = yield* Effect.either(trySync(() => files.lstat(file)))
    if (first._tag === "Right" && first.right === undefined) return undefined
    const there = yield* Effect.either(trySync(() => files.stat(file)))
    const stats = there._tag === "Right" ? there.right : undefined
    const named = {
      file,
      kind,
      at: new Date(at ?? stats?.mtimeMs ?? 0).toISOString(),
      atFrom: at === undefined ? ("file" as const) : ("name" as const),
      bytes: stats?.size ?? 0
    }
    const unknown = { schemaVersion: undefined, compression: "none" as const }
    const odd = (
      soundness: "damaged" | "unreadable",
      detail: string,
      known: Partial<ListedBackup> = {}
    ): ListedBackup => ({
      ...named,
      ...unknown,
      ...known,
      soundness,
      detail
    })
    if (there._tag === "Left") return odd("unreadable", describe(there.left))
    if (stats === undefined) return odd("unreadable", "a link that leads nowhere")
    if (!stats.isFile()) return odd("unreadable", `not a file: ${kindOf(stats)}`)
    const head = yield* Effect.either(trySync(() => headOf(file, 512)))
    if (head._tag === "Left") return odd("unreadable", describe(head.left))
    const compression: ListedBackup["compression"] = compressionOf(head.right) ?? "none"
    const database = compression === "none" ? Effect.succeed(head.right) : unpackedHead(file, compression, 512)
    const header = yield* Effect.either(database)
    if (header._tag === "Left") {
      const soundness = header.left.code === "ENOTSUP" ? "unreadable" : "damaged"
      return odd(soundness, describe(header.left), { compression })
    }
    if (header.right.subarray(0, 16).toString("latin1") !== "SQLite format 3\0") {
      const looks = likenessOf(header.right)?.looks
      const what =
        named.bytes === 0 ? "it is empty" : `not a database${looks === undefined ? "" : `: it looks like ${looks}`}`
      return odd("damaged", what, { compression })
    }
    // Byte 18 is 2 in WAL mode: opened, it would get files beside it (https://sqlite.org/fileformat2.html, 1.3.3).
    const isPlain = compression === "none" && header.right[18] === 1 && !(yield* isPart(`${file}-journal`))
    const mark = yield* isPart(markOf(file))
    const detail = mark ? "its upgrade is running, or was never committed: the next start then deletes it" : ""
    const mirrored = header.right.readInt32BE(60)
    const known = { compression, schemaVersion: mirrored > 0 ? String(mirrored) : undefined }
    if (!isPlain && !verify) {
      const unopened: ListedBackup = { ...named, ...known, soundness: "not checked", detail }
      return unopened
    }
    const seen = yield* Effect.either(
      Effect.scoped(
        Effect.flatMap(isPlain ? Effect.succeed(file) : readableCopy(file, compression), (readable) =>
          Effect.zipRight(verify ? proveCopy(readable, progress) : Effect.void, recordedIn(readable))
        )
      )
    )
    if (seen._tag === "Left") {
      const { code, retryable } = seen.left
      const said = whatIsWrong(seen.left)
      const isDamage = isVerdict({ code, detail: said, retryable })
      return odd(isDamage ? "damaged" : "unreadable", said, known)
    }
    const found: ListedBackup = {
      ...named,
      compression,
      schemaVersion: seen.right.version,
      soundness: verify ? "ok" : "not checked",
      detail: [detail, seen.right.detail].filter((part) => part !== "").join("; ")
    }
    return found
  })

const describe = ({ code, detail }: SystemFailure): string => (detail.includes(code) ? detail : `${code}: ${detail}`)

const isPart = (file: string) =>
  Effect.orElseSucceed(
    trySync(() => files.stat(file) !== undefined),
    () => true
  )

const recordedIn = (file: string) =>
  Effect.scoped(
    Effect.flatMap(openSqlite({ filename: file, readonly: true }), (sqlite) =>
      atEdge(() => readHistory(sqlite), identity)
    )
  ).pipe(
    Effect.map(({ exists, rows }) => ({ version: newestVersion(rows), detail: exists ? "" : "it has no history" })),
    Effect.catchTag("HistoryError", ({ sentence }) => Effect.succeed({ version: undefined, detail: sentence }))
  )
