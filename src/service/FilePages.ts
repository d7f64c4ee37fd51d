/**
 * Pages of files, newest first: of a session, of a user, or of all. They are read along an index in steps. So a search
 * reads no more at once than others can wait for, and only a bounded number of rows per request.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import type { Fragment } from "@effect/sql/Statement"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { FilePage } from "./Api.ts"
import { FileCursor, type FilePosition } from "./ApiParameters.ts"
import { dialect } from "./Dialect.ts"
import { type FileRow, fileOf, fromDatabase } from "./FileRow.ts"
import { othersTurn } from "./inTurns.ts"
import { Rows } from "./Rows.ts"

export interface PageRequest {
  readonly limit: number
  /** The `next` of the previous page. */
  readonly after?: string | undefined
  /** Part of the name. */
  readonly name?: string | undefined
}

/** How many files a search reads with one statement, so that others get their turn in between. */
const atOnce = 1000

/**
 * How many statements one request may use. Then its page ends, however little it has found, and the next page
 * continues.
 */
const mostLooks = 10

/** For a user with no more files and sessions than this, one statement reads and sorts them all. */
export const few = 2000

/** The file after which the next step begins. Files without a time come last. */
type Position = FilePosition

interface Seen {
  readonly file_id: string
  readonly uploaded_at: string | null
  readonly is_meant: 0 | 1
}

export const filePages = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { columns } = yield* Rows
  const { byBytes, join, like, texts, timeOf } = yield* dialect

  const isAfter = ({ at, fileId }: Position): Fragment =>
    sql`(cf.uploaded_at, cf.file_id ${byBytes}) < (${at === null ? null : timeOf(at)}, ${fileId})`

  const behind = (position: Position | undefined, isTimed: boolean): ReadonlyArray<Fragment> => {
    if (!isTimed) {
      const rest = sql`cf.uploaded_at IS NULL`
      return position?.at === null ? [rest, sql`cf.file_id ${byBytes} < ${position.fileId}`] : [rest]
    }
    const timed = sql`cf.uploaded_at IS NOT NULL`
    return position === undefined ? [timed] : [isAfter(position)]
  }

  const order = sql`ORDER BY cf.uploaded_at DESC NULLS LAST, cf.file_id ${byBytes} DESC`

  /** The rows of files, in the order of their ids. */
  const rowsOf = (ids: ReadonlyArray<string>) =>
    Effect.map(
      sql<FileRow>`SELECT ${columns} FROM ${texts(JSON.stringify(ids))}
        JOIN conversation_files cf ON cf.file_id = given.value`,
      (rows) => {
        const byId = new Map(rows.map((row) => [row.file_id, row]))
        // Somebody may have deleted one for good meanwhile.
        return ids.flatMap((id) => byId.get(id) ?? [])
      }
    )

  const pageOf = (rows: ReadonlyArray<FileRow>, next: Position | undefined): FilePage =>
    new FilePage({ files: rows.map(fileOf), next: next === undefined ? null : FileCursor.of(next) }, fromDatabase)

  const namedLike = (name: string | undefined): ReadonlyArray<Fragment> =>
    name === undefined ? [] : [sql`cf.original_filename ${like} ${likePattern(name)} ESCAPE '\\'`]

  /** Reads along an index that begins with the columns of `scope`. */
  const page = Effect.fnUntraced(function* (
    scope: ReadonlyArray<Fragment>,
    { after, limit, name }: PageRequest,
    owner?: string
  ) {
    const meant = [
      ...namedLike(name),
      ...(owner === undefined
        ? []
        : [
            sql`(SELECT so.owner FROM session_owners so WHERE so.session_id = cf.session_id) IS NOT DISTINCT FROM ${owner}`
          ])
    ]
    let position = positionOf(after)
    let isTimed = position?.at !== null
    if (meant.length === 0) {
      const rows: Array<FileRow> = []
      for (;;) {
        const most = limit + 1 - rows.length
        const some = yield* sql<FileRow>`SELECT ${columns} FROM conversation_files cf
          WHERE ${sql.and([...scope, ...behind(position, isTimed)])} ${order} LIMIT ${most}`
        rows.push(...some)
        if (some.length === most) return pageOf(rows.slice(0, limit), positionOfRow(rows[limit - 1]))
        if (!isTimed) return pageOf(rows, undefined)
        isTimed = false
      }
    }
    const found: Array<string> = []
    for (let looks = 0; looks < mostLooks; looks += 1) {
      yield* othersTurn
      const seen = yield* sql<Seen>`SELECT cf.file_id, cf.uploaded_at, ${sql.and(meant)} AS is_meant
        FROM conversation_files cf WHERE ${sql.and([...scope, ...behind(position, isTimed)])} ${order} LIMIT ${atOnce}`
      for (const row of seen) {
        if (row.is_meant === 1) {
          // There is one more, so the page ends before it.
          if (found.length === limit) return pageOf(yield* rowsOf(found), position)
          found.push(row.file_id)
        }
        position = positionOfRow(row)
      }
      if (seen.length < atOnce) {
        if (!isTimed) return pageOf(yield* rowsOf(found), undefined)
        isTimed = false
      }
    }
    return pageOf(yield* rowsOf(found), position)
  })

  /** All files of an owner who has few. */
  const ofFew = Effect.fnUntraced(function* (owner: string, { after, limit, name }: PageRequest) {
    const position = positionOf(after)
    const conditions = [
      sql`ss.owner = ${owner}`,
      sql`cf.is_deleted = 0`,
      ...namedLike(name),
      ...(position === undefined
        ? []
        : position.at === null
          ? behind(position, false)
          : [sql`(${isAfter(position)} OR cf.uploaded_at IS NULL)`])
    ]
    const rows = yield* sql<FileRow>`SELECT ${columns} FROM session_summaries ss
      ${join} conversation_files cf ON cf.session_id = ss.session_id
      WHERE ${sql.and(conditions)} ${order} LIMIT ${limit + 1}`
    return pageOf(rows.slice(0, limit), rows.length > limit ? positionOfRow(rows[limit - 1]) : undefined)
  })

  const hasFew = (owner: string): Effect.Effect<boolean, SqlError> =>
    Effect.map(
      sql<{ readonly sessions: number; readonly files: number }>`SELECT sessions, files + deleted_files AS files
        FROM owner_usage WHERE owner = ${owner}`,
      ([row]) => row === undefined || Math.max(row.sessions, row.files) <= few
    )

  return {
    hasFew,
    inSession: (sessionId: string, isDeleted: boolean, request: PageRequest) =>
      page([sql`cf.session_id = ${sessionId}`, sql`cf.is_deleted = ${isDeleted ? 1 : 0}`], request),
    ofAll: (request: PageRequest) => page([sql`cf.is_deleted = 0`], request),
    ofOwner: (owner: string, request: PageRequest) =>
      Effect.flatMap(hasFew(owner), (isFew) =>
        isFew ? ofFew(owner, request) : page([sql`cf.is_deleted = 0`], request, owner)
      )
  }
})

const positionOf = (after: string | undefined): Position | undefined =>
  after === undefined ? undefined : Option.getOrUndefined(FileCursor.read(after))

const positionOfRow = (row: Pick<FileRow, "file_id" | "uploaded_at"> | undefined): Position | undefined =>
  row === undefined ? undefined : { at: row.uploaded_at, fileId: row.file_id }

/** Part of a name for LIKE, with its wildcards escaped. */
const likePattern = (part: string): string => `%${part.normalize("NFC").replace(/[\\%_]/g, "\\$&")}%`
