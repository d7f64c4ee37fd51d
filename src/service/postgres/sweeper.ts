/** What is left to sweep if contents are in the database: contents of uploads that did not end, here and there. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { abandonedUploads } from "../abandonedUploads.ts"
import { type ContentFault, ContentFaults } from "../ContentFaults.ts"
import { ContentStore } from "../ContentStore.ts"
import { Discarding } from "../Discarding.ts"
import type { DueTime } from "../DueTime.ts"
import { othersTurn } from "../inTurns.ts"
import type { Settings } from "../Settings.ts"
import { nothingSwept, type Sweep, Sweeper } from "../Sweeper.ts"

/** How many contents are looked at with one statement. */
const atOnce = 1000

export const postgresSweeper: Layer.Layer<
  Sweeper,
  never,
  ContentFaults | ContentStore | Discarding | DueTime | Settings | SqlClient.SqlClient
> = Layer.effect(
  Sweeper,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { discard, inventory } = yield* ContentStore
    const forgetAbandoned = yield* abandonedUploads
    const { forUnwanted } = yield* Discarding
    const faults = yield* ContentFaults

    /**
     * Contents whose last row is gone: the process ended before it discarded them. Looked at again under the lock. What
     * has not all of its bytes, which takes no reading of them, is told.
     */
    const discardUnwanted = Effect.gen(function* () {
      let after = ""
      let contents = 0
      let discarded = 0
      const damaged: Array<string> = []
      for (;;) {
        const rows = yield* sql<Looked>`
          SELECT c.sha256, EXISTS (SELECT 1 FROM conversation_files cf WHERE cf.file_hash = c.sha256) AS is_wanted,
            c.size = (
              SELECT coalesce(sum(octet_length(p.bytes)), 0) FROM content_parts p WHERE p.sha256 = c.sha256
            ) AS is_whole
          FROM contents c WHERE c.sha256 > ${after} ORDER BY c.sha256 LIMIT ${atOnce}`
        contents += rows.length
        for (const { is_wanted, is_whole, sha256 } of rows) if (is_wanted === 1 && is_whole === 0) damaged.push(sha256)
        const unwanted = rows.flatMap(({ is_wanted, sha256 }) => (is_wanted === 1 ? [] : [sha256]))
        discarded += yield* forUnwanted(unwanted, discard)
        const last = rows.at(-1)
        if (last === undefined || rows.length < atOnce) return { contents, damaged, discarded }
        after = last.sha256
        yield* othersTurn
      }
    })

    const missing = Effect.map(
      sql<{ readonly file_hash: string }>`SELECT DISTINCT cf.file_hash FROM conversation_files cf
        WHERE NOT EXISTS (SELECT 1 FROM contents c WHERE c.sha256 = cf.file_hash AND c.size = cf.file_size)`,
      (rows) => rows.map(({ file_hash }) => file_hash)
    )

    const sweep = Effect.gen(function* () {
      const found = yield* inventory
      const lost = yield* missing
      const looked = yield* discardUnwanted
      const fault = (kind: ContentFault) => (hash: string) => [hash, kind] as const
      yield* faults.replace(new Map([...lost.map(fault("missing")), ...looked.damaged.map(fault("damaged"))]))
      const swept: Sweep = {
        ...nothingSwept,
        ...looked,
        abandoned: yield* forgetAbandoned(found),
        missing: lost,
        strays: found.strays,
        unreadable: found.unreadable
      }
      return swept
    }).pipe(Effect.withSpan("conversation-files.sweep"))

    return { sweep }
  })
)

interface Looked {
  readonly sha256: string
  readonly is_wanted: number
  readonly is_whole: number
}
