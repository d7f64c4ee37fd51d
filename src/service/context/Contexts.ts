/** Search in the contents of a session, and context for a model. */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AccessLog } from "../AccessLog.ts"
import { CurrentUser, FileNotFound, Forbidden } from "../Api.ts"
import { AuditTrail } from "../AuditTrail.ts"
import type { Database } from "../Database.ts"
import { Assignments } from "../experiments/Assignments.ts"
import { inSlices, runInSlices } from "../inTurns.ts"
import { Rows } from "../Rows.ts"
import { Sessions } from "../Sessions.ts"
import { matches } from "./bm25.ts"
import type { Candidate, Question, Source } from "./Candidate.ts"
import {
  ContextPassage,
  type ContextRequest,
  FoundPassage,
  FoundPassages,
  QueuedTexts,
  SessionContext,
  TextState
} from "./ContextModels.ts"
import { filling } from "./fill.ts"
import { nameSearch } from "./nameSearch.ts"
import { candidatesFor, fewest, policies, usualPolicy } from "./policies.ts"
import { Questions } from "./Questions.ts"
import { fieldsOf, highlightsIn } from "./shown.ts"
import { textQueue } from "./TextQueue.ts"
import { textSearch } from "./TextSearch.ts"
import { counters, usualTokenizer } from "./tokens.ts"
import { termsOf } from "./words.ts"

/** How many of the best files may be read as a whole. */
const mostWhole = 20

/** How many of the newest files are looked at. */
const mostNewest = 500

type Refused = Forbidden | SqlError

export class Contexts extends Context.Tag("conversation-files/Contexts")<
  Contexts,
  {
    /** The passages and the names of files of a session that have words of a question, best first. */
    readonly search: (
      sessionId: string,
      request: { readonly q: string; readonly limit: number }
    ) => Effect.Effect<FoundPassages, Refused, CurrentUser>
    /** Chooses passages of a session within a budget. */
    readonly choose: (
      sessionId: string,
      request: typeof ContextRequest.Type
    ) => Effect.Effect<SessionContext, Refused | FileNotFound, CurrentUser>
    readonly textState: (fileId: string) => Effect.Effect<TextState, Refused | FileNotFound, CurrentUser>
    /** Queues all files again; for administrators. */
    readonly rebuild: Effect.Effect<QueuedTexts, Refused, CurrentUser>
  }
>() {
  static readonly layer: Layer.Layer<
    Contexts,
    never,
    AccessLog | Assignments | AuditTrail | Database | Questions | Rows | Sessions | SqlClient.SqlClient
  > = Layer.effect(
    Contexts,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const log = yield* AccessLog
      const { assign } = yield* Assignments
      const { audited } = yield* AuditTrail
      const { asking } = yield* Questions
      const { found } = yield* Rows
      const { mayUse } = yield* Sessions
      const { queueAgain } = yield* textQueue
      const { namedFiles, names } = yield* nameSearch
      const { matching, newestFiles, ofFiles, searched, waitingFiles, withTexts } = yield* textSearch

      /** Records that a user was shown something of these files. */
      const record = Effect.fnUntraced(function* (
        sessionId: string,
        shown: ReadonlyArray<Candidate>,
        details: Readonly<Record<string, unknown>>
      ) {
        const { name } = yield* CurrentUser
        const files = new Map(shown.map(({ fileId, filename }) => [fileId, filename]))
        yield* log.record(
          [...files].map(([file_id, original_filename]) => ({
            file: { file_id, original_filename, session_id: sessionId },
            access: "view",
            by: name,
            details
          }))
        )
      })

      const pinnedFiles = (sessionId: string, fileIds: ReadonlyArray<string>) =>
        Effect.forEach(fileIds, (fileId) =>
          found(fileId).pipe(
            Effect.filterOrFail(
              (row) => row.session_id === sessionId,
              () => new FileNotFound({ fileId, message: "There is no file with this id in the session." })
            )
          )
        )

      /** What a policy chooses from, besides what matches. */
      const besides = Effect.fnUntraced(function* (
        sessionId: string,
        from: ReadonlyArray<Source>,
        matched: ReadonlyArray<Candidate>,
        pinned: ReadonlyArray<string>,
        terms: ReadonlyArray<string>,
        limit: number
      ) {
        const newest = from.includes("newestFiles") ? yield* newestFiles(sessionId, mostNewest) : []
        const named = from.includes("namedFiles") ? yield* namedFiles(sessionId, terms, mostWhole) : []
        const best = from.includes("matchingFiles") ? matched.map(({ fileId }) => fileId) : []
        const files = [
          newest,
          named,
          from.includes("pinnedFiles") ? pinned : [],
          [...new Set(best)].slice(0, mostWhole)
        ]
        return (yield* Effect.forEach(files, (fileIds) => ofFiles(fileIds, limit))).flat()
      })

      return {
        search: (sessionId, { limit, q }) =>
          Effect.gen(function* () {
            yield* mayUse(sessionId)
            const terms = termsOf(q)
            const about = yield* searched(sessionId, terms)
            const candidates = about === undefined ? [] : yield* matching(about, Math.max(fewest, limit))
            const question = { terms: [...new Set(terms)], budget: 0, countTokens: () => 0, pinned: [] }
            const ranked =
              about === undefined
                ? []
                : yield* runInSlices(matches(candidates, { ...question, collection: about.collection }))
            const best = yield* withTexts(sessionId, ranked.slice(0, limit))
            yield* record(
              sessionId,
              best.map(({ candidate }) => candidate),
              { for: "search" }
            )
            const wanted = new Set(terms)
            return new FoundPassages({
              names: yield* names(sessionId, terms, limit),
              passages: yield* inSlices(
                best,
                (one) => new FoundPassage({ ...fieldsOf(one), highlights: highlightsIn(one.text, wanted) })
              ),
              waitingFiles: yield* waitingFiles(sessionId)
            })
          }).pipe(audited("view", { sessionId }), asking),

        choose: (sessionId, { budget, message, pinned = [], policy: wanted, tokenizer = usualTokenizer }) =>
          Effect.gen(function* () {
            yield* mayUse(sessionId)
            yield* pinnedFiles(sessionId, pinned)
            const terms = [...new Set(termsOf(message))]
            const about = yield* searched(sessionId, terms)
            // A session without texts is given nothing by any policy, so it tells nothing about them.
            const isAssigned = wanted === undefined && about !== undefined
            const assigned = isAssigned ? yield* assign(sessionId) : undefined
            const policy = wanted ?? assigned?.policy ?? usualPolicy
            const { from, rank } = policies[policy]
            const limit = candidatesFor(policy, budget)
            const isMatched = from.includes("matching") && about !== undefined
            const matched = isMatched ? yield* matching(about, limit) : []
            const others = yield* besides(sessionId, from, matched, pinned, terms, limit)
            const question: Question = {
              terms,
              budget,
              countTokens: counters[tokenizer],
              pinned,
              collection: about?.collection ?? { passages: 0, terms: 0, passagesWith: new Map() }
            }
            const ranked = rank(once([...matched, ...others]), question)
            const chosen = yield* withTexts(sessionId, yield* runInSlices(filling(ranked, question)))
            yield* record(
              sessionId,
              chosen.map(({ candidate }) => candidate),
              { for: "context", policy }
            )
            return new SessionContext({
              policy,
              experiment: assigned?.experiment ?? null,
              receipt: assigned?.receiptFor(chosen.map(({ candidate }) => candidate)) ?? null,
              tokenizer,
              budget,
              tokens: chosen.reduce((sum, { tokens }) => sum + tokens, 0),
              passages: yield* inSlices(
                chosen,
                (one) => new ContextPassage({ ...fieldsOf(one), tokens: one.tokens, why: one.why })
              ),
              waitingFiles: yield* waitingFiles(sessionId)
            })
          }).pipe(audited("view", { sessionId }), asking),

        textState: (fileId) =>
          Effect.gen(function* () {
            yield* found(fileId)
            const [row] = yield* sql<StateRow>`
              SELECT state, reason, passages, is_truncated FROM file_texts WHERE file_id = ${fileId}`
            return new TextState({
              fileId,
              state: row?.state ?? "deleted",
              reason: row?.reason ?? null,
              passages: row?.passages ?? 0,
              isTruncated: row?.is_truncated === 1
            })
          }).pipe(audited("view", { fileId })),

        rebuild: Effect.gen(function* () {
          const { isAdministrator } = yield* CurrentUser
          if (!isAdministrator) return yield* new Forbidden({ message: "Only an administrator may rebuild all texts." })
          let queued = 0
          let next = yield* queueAgain(0)
          while (next !== undefined) {
            queued += next.count
            next = yield* queueAgain(next.last)
          }
          return new QueuedTexts({ queued })
        }).pipe(audited("rebuild", {}))
      }
    })
  )
}

interface StateRow {
  readonly state: "queued" | "running" | "done" | "unsupported" | "failed"
  readonly reason: TextState["reason"]
  readonly passages: number
  readonly is_truncated: 0 | 1
}

/** Each passage once. */
const once = (candidates: ReadonlyArray<Candidate>): ReadonlyArray<Candidate> => [
  ...new Map(candidates.map((one) => [`${one.ordinal} ${one.fileId}`, one])).values()
]
