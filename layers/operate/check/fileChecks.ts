/** Checks that need no connection: the files of the database, their rights, backups, and the disk. */
import { basename, dirname } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { files, trySync } from "../../machine/files.ts"
import type { SystemFailure } from "../../machine/SystemFailure.ts"
import type { DatabaseConfig } from "../../sqlite/DatabaseConfig.ts"
import { prepareDirectory } from "../../sqlite/DatabaseDirectory.ts"
import { look, shutdownOf } from "../../sqlite/FileLook.ts"
import type { OnOpen } from "../../sqlite/OnOpen.ts"
import { formatMillis } from "../../start/Measure.ts"
import { listBackups } from "../BackupList.ts"
import { bytesText, printable } from "../text.ts"
import { fail, failWith, type Judged, pass, unknown, unknownFor, warn } from "./CheckList.ts"

const unreadable = ({ code, detail }: SystemFailure): Judged =>
  unknown(detail.includes(code) ? detail : `${code}: ${detail}`)

const quoted = (path: string): string => `'${path.replaceAll("'", `'\\''`)}'`

/** A start writes. An inspection does not, and passes without the rights to. */
export const checkRights = (config: DatabaseConfig["Type"], file: string) =>
  Effect.gen(function* () {
    const there = yield* trySync(() => ({
      main: files.stat(file),
      unusable: [dirname(file), file, `${file}-wal`, `${file}-shm`].filter(
        (path) => files.stat(path) !== undefined && !files.isUsable(path, { writing: true })
      )
    }))
    if (there.unusable.length > 0) {
      const refused = yield* Effect.either(
        Effect.flatMap(prepareDirectory({ ...config, access: "replace" }), () => look(file, "initialize"))
      )
      if (Either.isLeft(refused)) return failWith(refused.left)
      return fail(`this user may not write ${there.unusable.join(", ")}`, "Run this as the owner of the database.")
    }
    if (there.main === undefined) return unknown("there is no file")
    const mode = (there.main.mode & 0o777).toString(8)
    return (there.main.mode & 0o007) === 0 || process.platform === "win32"
      ? pass(`mode ${mode}, and this user may write`)
      : warn(
          `mode ${mode}: every user of this machine may use the file`,
          `Run \`chmod o-rwx ${quoted(file)}\`. Users that are neither its owner nor in its group then lose it.`
        )
  }).pipe(Effect.catchAll((failure) => Effect.succeed(unreadable(failure))))

/** Looked at before anything is opened: then no connection of this process is among those that use it. */
export const checkWal = (file: string, limit: number) =>
  Effect.gen(function* () {
    const wal = yield* trySync(() => files.lstat(`${file}-wal`))
    if (wal === undefined || wal.size === 0) return pass("nothing in it")
    const size = bytesText(wal.size)
    if (shutdownOf(file) === "unclean") {
      return warn(
        `${size}, left by a process that is gone`,
        "Start the program, or run `database-ready init`: both write it into the database. Do not delete it: it holds commits."
      )
    }
    return limit >= 0 && wal.size > limit
      ? warn(
          `${size}, more than the ${bytesText(limit)} that are kept`,
          "End the readers that stay open. Then run `PRAGMA wal_checkpoint(TRUNCATE)` on the database."
        )
      : pass(`${size}, in use`)
  }).pipe(Effect.catchAll((failure) => Effect.succeed(unreadable(failure))))

/** Those that restores replaced are no backups, and may be damaged. */
export const checkBackups = (file: string, onOpen: OnOpen | undefined) =>
  Effect.gen(function* () {
    const backups = (yield* listBackups({ filename: file, onOpen })).filter(({ kind }) => kind !== "replaced")
    const again = `\`database-ready backup --database ${quoted(file)}\``
    const [newest] = backups
    if (newest === undefined) return warn("there are none next to the database", `Run ${again}.`)
    const odd = backups.filter(({ soundness }) => soundness === "damaged" || soundness === "unreadable")
    if (odd.length > 0) {
      const what = odd.map((one) => `${basename(one.file)} (${one.soundness}: ${one.detail})`).join("; ")
      const isDenied = odd.some(({ detail }) => /\bE(?:ACCES|PERM)\b/.test(detail))
      const cure = isDenied ? "Run this as a user who may read them." : `Move them away, and run ${again}.`
      return warn(`${odd.length} of ${backups.length} cannot be used: ${what}`, cure)
    }
    const age = Math.max(0, (yield* Clock.currentTimeMillis) - Date.parse(newest.at))
    const found = `${backups.length}, the newest ${formatMillis(minutes(age))} old: ${printable(basename(newest.file))}`
    return pass(
      `${found}. Their pages were not checked, and of compressed ones and those in WAL mode only the header was read: \`database-ready backups --verify --database ${quoted(file)}\` checks all`
    )
  }).pipe(Effect.catchAll((refusal) => Effect.succeed(unknownFor(refusal))))

/** To the minute, once it is one. */
const minutes = (age: number): number => (age < 60_000 ? age : Math.floor(age / 60_000) * 60_000)

/** The next upgrade copies the database first. */
export const checkSpace = (file: string) =>
  Effect.map(
    Effect.either(
      trySync(() => ({
        main: files.stat(file)?.size,
        wal: files.stat(`${file}-wal`)?.size ?? 0,
        free: files.freeBytes(dirname(file))
      }))
    ),
    (looked): Judged => {
      if (Either.isLeft(looked)) return unreadable(looked.left)
      const { free, main, wal } = looked.right
      if (free === undefined) return unknown("the filesystem does not say how much is free")
      if (main === undefined) return unknown(`${bytesText(free)} free, and there is no file that an upgrade would copy`)
      const bytes = main + wal
      const found = `${bytesText(free)} free, the database has ${bytesText(bytes)}`
      return free < bytes
        ? warn(
            found,
            `Free ${bytesText(bytes - free)}, or move backups to another disk: an upgrade makes a copy first.`
          )
        : pass(found)
    }
  )
