/**
 * Compares the contents on the disk with the rows. Contents that no row wants go to the trash, and come back when a row
 * wants them. Only the retention of the trash deletes them for good.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { abandonedUploads } from "./abandonedUploads.ts"
import { Belonging } from "./Belonging.ts"
import { type ContentFault, ContentFaults } from "./ContentFaults.ts"
import { ContentFiles } from "./ContentFiles.ts"
import type { ContentStore } from "./ContentStore.ts"
import { Database } from "./Database.ts"
import { type DiscardError, Discarding } from "./Discarding.ts"
import { DueTime } from "./DueTime.ts"
import { collectInTurns, inTurns, othersTurn } from "./inTurns.ts"
import { Settings } from "./Settings.ts"
import { type Inventory, isHash, isUnknown } from "./StoreInventory.ts"

/** What a sweep found and did. */
export interface Sweep {
  /** Contents that no row wants, now in the trash. */
  readonly putAway: number
  /** Contents of the trash that a row wants again. */
  readonly takenBack: number
  /** Contents whose time in the trash was over. */
  readonly discarded: number
  /** Uploads that a process left unfinished. */
  readonly abandoned: number
  /** Contents that no row wants but that stay: too many at once, or not yet. */
  readonly left: number
  readonly why: "TooMany" | "Quiet" | undefined
  readonly contents: number
  readonly missing: ReadonlyArray<string>
  readonly damaged: ReadonlyArray<string>
  readonly strays: ReadonlyArray<string>
  readonly unreadable: ReadonlyArray<string>
}

export const nothingSwept: Sweep = {
  putAway: 0,
  takenBack: 0,
  discarded: 0,
  abandoned: 0,
  left: 0,
  why: undefined,
  contents: 0,
  missing: [],
  damaged: [],
  strays: [],
  unreadable: []
}

/** A sweep moves nothing if it would move more than this share of all contents: then the database is suspect. */
const mostShare = 0.1

/** It may move this many, whatever their share. */
const few = 20

export class Sweeper extends Context.Tag("conversation-files/Sweeper")<
  Sweeper,
  {
    readonly sweep: Effect.Effect<Sweep, DiscardError>
  }
>() {
  static readonly layer: Layer.Layer<
    Sweeper,
    never,
    | Belonging
    | ContentFaults
    | ContentFiles
    | ContentStore
    | Database
    | Discarding
    | DueTime
    | Settings
    | SqlClient.SqlClient
  > = Layer.effect(
    Sweeper,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { write } = yield* Database
      const files = yield* ContentFiles
      const { store } = files
      const forgetAbandoned = yield* abandonedUploads
      const { quietUntil, verify } = yield* Belonging
      const { forUnwanted, isWanted } = yield* Discarding
      const faults = yield* ContentFaults
      const { earliest } = yield* DueTime
      const { allowSweep, trashRetention } = yield* Settings

      /** Every hash of a row with its sizes, read in steps. */
      const wantedSizes = Effect.gen(function* () {
        const sizes = new Map<string, Set<number>>()
        let after = 0
        for (;;) {
          const rows = yield* sql<{ readonly id: number; readonly file_hash: string; readonly file_size: number }>`
            SELECT rowid AS id, file_hash, file_size FROM conversation_files
            WHERE rowid > ${after} ORDER BY rowid LIMIT 1000`
          const last = rows.at(-1)
          if (last === undefined) return sizes
          for (const { file_hash, file_size } of rows) {
            const known = sizes.get(file_hash)
            if (known === undefined) sizes.set(file_hash, new Set([file_size]))
            else known.add(file_size)
          }
          after = last.id
          yield* othersTurn
        }
      })

      const succeeds = (
        what: string,
        act: Effect.Effect<unknown, { readonly message: string }>
      ): Effect.Effect<boolean> =>
        Effect.matchEffect(act, {
          onFailure: ({ message }) => Effect.as(Effect.logWarning(`${what}: ${message}`), false),
          onSuccess: () => Effect.succeed(true)
        })

      /** Takes contents out of the trash that a row wants and that the disk does not have otherwise. */
      const takeBack = ({ contents, trash }: Inventory, wanted: ReadonlyMap<string, unknown>) =>
        Effect.flatMap(
          collectInTurns(trash.keys(), (hash) => (wanted.has(hash) && !contents.has(hash) ? hash : undefined)),
          Effect.filter((hash) => succeeds("A content stays in the trash", files.takeBack(hash)))
        )

      /** Moves unwanted contents to the trash, unless there are suspiciously many. */
      const putAway = Effect.fnUntraced(function* (unwanted: ReadonlyArray<string>, all: number, isQuiet: boolean) {
        const most = Math.max(few, all * mostShare, allowSweep)
        const why = isQuiet ? "Quiet" : unwanted.length > most ? "TooMany" : undefined
        if (unwanted.length === 0) return { putAway: 0, left: 0, why: undefined } as const
        if (why !== undefined) return { putAway: 0, left: unwanted.length, why } as const
        let failures = 0
        const count = yield* forUnwanted(unwanted, (hash) =>
          Effect.map(succeeds("A content without a file stays", files.putAway(hash)), (done) => {
            if (!done) failures += 1
          })
        )
        return { putAway: count - failures, left: failures, why } as const
      })

      const emptyTrash = Effect.fnUntraced(function* ({ trash }: Inventory) {
        const before = (yield* earliest) - Duration.toMillis(trashRetention)
        const old = yield* collectInTurns(trash, ([hash, { since }]) => (since < before ? hash : undefined))
        return yield* forUnwanted(old, (hash) => succeeds("A content stays in the trash", files.emptyOf(hash)))
      })

      /** Looks again with the lock held: an upload or a deletion may have been under way. */
      const faultOf = (hash: string, sizes: ReadonlySet<number>) =>
        write(
          Effect.gen(function* () {
            if (!(yield* isWanted(hash))) return undefined
            const size = yield* Effect.catchAll(store.sizeOf(hash), () => Effect.succeed(undefined))
            return size === undefined ? "missing" : sizes.has(size) ? undefined : "damaged"
          })
        )

      const sweep = Effect.gen(function* () {
        yield* verify
        const inventory = yield* store.inventory
        const { contents, strays, trash, unreadable } = inventory
        const wanted = yield* wantedSizes
        const isQuiet = (yield* quietUntil) !== undefined
        const back = new Set(yield* takeBack(inventory, wanted))
        const unwanted = yield* collectInTurns(contents.keys(), (hash) => (wanted.has(hash) ? undefined : hash))
        const put = yield* putAway(unwanted, contents.size, isQuiet)
        const discarded = isQuiet ? 0 : yield* emptyTrash(inventory)
        const found = new Map<string, ContentFault>()
        const suspects = yield* collectInTurns(wanted, ([hash, sizes]) => {
          const size = (contents.get(hash) ?? (back.has(hash) ? trash.get(hash) : undefined))?.size
          const isThere = size !== undefined && sizes.has(size)
          return isThere || (isHash(hash) && isUnknown(inventory, hash)) ? undefined : ([hash, sizes] as const)
        })
        yield* inTurns(suspects, ([hash, sizes]) =>
          Effect.map(faultOf(hash, sizes), (fault) => {
            if (fault !== undefined) found.set(hash, fault)
          })
        )
        yield* faults.replace(found)
        const of = (kind: ContentFault) => [...found].filter(([, fault]) => fault === kind).map(([hash]) => hash)
        const swept: Sweep = {
          ...put,
          takenBack: back.size,
          discarded,
          abandoned: yield* forgetAbandoned(inventory),
          contents: contents.size,
          missing: of("missing"),
          damaged: of("damaged"),
          strays,
          unreadable
        }
        return swept
      }).pipe(Effect.withSpan("conversation-files.sweep"))

      return { sweep }
    })
  )
}
