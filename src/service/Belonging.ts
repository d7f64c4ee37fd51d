/**
 * Makes sure that database and contents belong together. A sweep decides from the database alone which contents are
 * unwanted. So before it compares, it must know that the database is the contents' own, and that neither is an older
 * copy.
 */
import { randomUUID } from "node:crypto"
import { dirname, resolve } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type ContentError, entriesOf, lookAt } from "./ContentError.ts"
import { ContentStore } from "./ContentStore.ts"
import { ContentsError, unmarked } from "./ContentsError.ts"
import { Database } from "./Database.ts"
import { DueTime } from "./DueTime.ts"
import { Settings } from "./Settings.ts"
import { inventoryOf } from "./StoreInventory.ts"
import { inodeOf, readMark, type StoreMark, writeMark } from "./StoreMark.ts"

const warnLater = (why: string) => Effect.logWarning(`Nothing goes to the trash until this can be written: ${why}`)

/** How long no content goes to the trash after the database or the contents were replaced. */
const quiet = Duration.days(1)

export class Belonging extends Context.Tag("conversation-files/Belonging")<
  Belonging,
  {
    /** Fails if the contents belong to another database by now. */
    readonly verify: Effect.Effect<void, ContentsError | ContentError>
    /** Until when no sweep may move anything (milliseconds); undefined if it may now. */
    readonly quietUntil: Effect.Effect<number | undefined, ContentsError | ContentError>
    /** Stores with the contents how far the database is, so that an older copy of it is recognized. */
    readonly remember: Effect.Effect<void, ContentsError | ContentError | SqlError>
  }
>() {
  /** Fails with `ContentsError` if they do not belong together. */
  static readonly layer: Layer.Layer<
    Belonging,
    ContentsError | ContentError | SqlError,
    ContentStore | Database | DueTime | Settings | SqlClient.SqlClient
  > = Layer.scoped(
    Belonging,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { report, write } = yield* Database
      const { directory, inventory, owner, sizeOf } = yield* ContentStore
      const { adoptContents } = yield* Settings
      const { earliest, latest } = yield* DueTime
      const of = { contents: directory, database: report.database }
      const [own] = yield* sql<{ readonly identity: string }>`SELECT identity FROM contents_identity WHERE only_row = 1`
      if (own === undefined) return yield* new ContentsError({ ...of, reason: "NoIdentity", identity: "" })
      const { identity } = own

      const eventsSoFar = Effect.map(
        sql<{ readonly seq: number }>`SELECT seq FROM sqlite_sequence WHERE name = 'audit_log'`,
        ([row]) => row?.seq ?? 0
      )

      const readOwnMark = Effect.flatMap(readMark(directory), (mark) => {
        if (mark === "damaged") return new ContentsError({ ...of, reason: "Damaged", identity: unmarked })
        return Effect.succeed(mark)
      })

      /** Whether a content of one of the first rows is there. Then unmarked contents belong to this database. */
      const isOneOfOursThere = Effect.gen(function* () {
        const rows = yield* sql<{ readonly file_hash: string }>`SELECT file_hash FROM conversation_files LIMIT 1000`
        for (const { file_hash } of rows) if ((yield* sizeOf(file_hash)) !== undefined) return true
        return false
      })

      const isAdopted = (name: string) => Option.contains(adoptContents, name)

      /**
       * Whether this database, in this state, was the last to use the contents. Fails if they belong to another one.
       */
      const isContinued = Effect.fnUntraced(function* (mark: StoreMark | undefined, stamp: string | null) {
        if (mark !== undefined) {
          if (mark.identity !== identity) {
            if (isAdopted(mark.identity)) return false
            return yield* new ContentsError({ ...of, reason: "OtherDatabase", identity: mark.identity })
          }
          const inode = yield* inodeOf(report.database)
          return mark.stamp === stamp && mark.events <= (yield* eventsSoFar) && mark.inode === inode
        }
        const { contents, trash } = yield* inventory
        if (contents.size + trash.size === 0) {
          const used = yield* sql`SELECT 1 FROM conversation_files LIMIT 1`
          if (used.length > 0 && stamp !== null && !isAdopted(unmarked)) {
            return yield* new ContentsError({ ...of, reason: "NoContents", identity: unmarked })
          }
          return true
        }
        if (!(isAdopted(unmarked) || (yield* isOneOfOursThere))) {
          return yield* new ContentsError({ ...of, reason: "Unmarked", identity: unmarked })
        }
        return false
      })

      const bind = Effect.gen(function* () {
        const [row] = yield* sql<{ readonly stamp: string | null }>`SELECT stamp FROM contents_identity`
        const mark = yield* readOwnMark
        const continued = yield* isContinued(mark, row?.stamp ?? null)
        const now = yield* latest
        const known = mark?.identity === identity ? mark.quietUntil : 0
        const stamp = randomUUID()
        yield* sql`UPDATE contents_identity SET stamp = ${stamp}`
        yield* writeMark(
          directory,
          {
            identity,
            stamp,
            events: yield* eventsSoFar,
            inode: yield* inodeOf(report.database),
            quietUntil: continued ? known : now + Duration.toMillis(quiet)
          },
          owner
        )
        if (!continued) {
          yield* Effect.logWarning(
            `Database and contents were not last used together: nothing goes to the trash for ${Duration.format(quiet)}`
          )
        }
      })

      const ours = Effect.flatMap(readOwnMark, (mark) => {
        if (mark === undefined) return new ContentsError({ ...of, reason: "NoContents", identity: unmarked })
        return mark.identity === identity
          ? Effect.succeed(mark)
          : new ContentsError({ ...of, reason: "OtherDatabase", identity: mark.identity })
      })

      const rememberEvents = write(
        Effect.gen(function* () {
          const mark = yield* ours
          const events = yield* eventsSoFar
          if (events !== mark.events) yield* writeMark(directory, { ...mark, events }, owner)
        })
      )

      let isBound = false
      const bindNow = Effect.zipRight(
        write(bind),
        Effect.sync(() => {
          isBound = true
        })
      )
      const remember = Effect.suspend(() => (isBound ? rememberEvents : bindNow))

      // If another process writes or the disk is full, reading must still work for contents known to be ours.
      yield* Effect.catchTags(bindNow, {
        SqlError: (error) => Effect.zipRight(ours, warnLater(error.message)),
        ContentError: (error) => (error.reason === "Full" ? Effect.zipRight(ours, warnLater(error.message)) : error)
      })
      yield* Effect.addFinalizer(() => Effect.ignoreLogged(remember))
      return {
        verify: Effect.asVoid(ours),
        quietUntil: Effect.gen(function* () {
          const { quietUntil } = yield* ours
          if (!isBound) return Number.POSITIVE_INFINITY
          return quietUntil > (yield* earliest) ? quietUntil : undefined
        }),
        remember
      }
    })
  )

  /**
   * Creates no database if the contents exist but their database does not. Otherwise the one that was moved away would
   * later overwrite the new one. This only looks; what it cannot look at, the start reports.
   */
  static readonly guard: Layer.Layer<never, ContentsError, Settings> = Layer.effectDiscard(
    Effect.gen(function* () {
      const { adoptContents, dataDirectory, databaseFile } = yield* Settings
      const directory = resolve(dataDirectory, "files")
      const database = resolve(databaseFile)
      const look = Effect.gen(function* () {
        if ((yield* lookAt(database)) !== undefined || (yield* entriesOf(directory)) === undefined) return undefined
        // If the folder cannot be created, nothing can start there either.
        if ((yield* lookAt(dirname(database)))?.isDirectory() === false) return undefined
        const mark = yield* readMark(directory)
        if (mark !== undefined) return mark === "damaged" ? unmarked : mark.identity
        const { contents, trash } = yield* inventoryOf(directory)
        return contents.size + trash.size > 0 ? unmarked : undefined
      })
      const identity = yield* Effect.catchAll(look, () => Effect.succeed(undefined))
      if (identity !== undefined && !Option.contains(adoptContents, identity)) {
        return yield* new ContentsError({ reason: "NoDatabase", contents: directory, database, identity })
      }
    })
  )
}
