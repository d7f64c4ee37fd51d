/** The rows of a new file, in the transaction of its upload. */
import { randomUUID } from "node:crypto"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { CurrentUser, FileDetails } from "./Api.ts"
import { ContentStore } from "./ContentStore.ts"
import { timestampNow } from "./FileRow.ts"
import type { Received } from "./Incoming.ts"
import { Quota } from "./Quota.ts"
import { Sessions } from "./Sessions.ts"
import { isoOf } from "./timestamp.ts"

/** A file that has arrived, and what its uploader says about it. */
export interface NewFile {
  readonly received: Received
  readonly name: string
  readonly mimeType: string
  readonly messageId: string | undefined
  readonly metadata: Readonly<Record<string, string>>
}

/** Makes a function that adds a file to a session. A session without an owner becomes the user's. */
export const insertFile = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const store = yield* ContentStore
  const { mayGrow } = yield* Quota
  const { claim, mayAdd } = yield* Sessions

  return Effect.fnUntraced(function* (sessionId: string, { messageId, metadata, mimeType, name, received }: NewFile) {
    const user = yield* CurrentUser
    const at = yield* timestampNow
    const fileId = randomUUID()
    const { hasOwner } = yield* mayAdd(sessionId)
    yield* mayGrow(sessionId, { files: 1, bytes: received.size })
    if (!hasOwner) yield* claim(sessionId)
    yield* sql`INSERT INTO conversation_files ${sql.insert({
      file_id: fileId,
      session_id: sessionId,
      original_filename: name,
      stored_filename: `${fileId}-${received.sha256}`,
      file_path: store.relativePathOf(received.sha256),
      file_size: received.size,
      file_hash: received.sha256,
      mime_type: mimeType,
      uploaded_at: at,
      uploaded_by: user.name
    })}`
    yield* sql`INSERT INTO session_file_associations (session_id, file_id, message_id, associated_at)
      VALUES (${sessionId}, ${fileId}, ${messageId ?? null}, ${at})`
    const entries = Object.entries(metadata)
    if (entries.length > 0) {
      yield* sql`INSERT INTO file_metadata ${sql.insert(
        entries.map(([metadata_key, metadata_value]) => ({
          file_id: fileId,
          metadata_key,
          metadata_value,
          created_at: at
        }))
      )}`
    }
    return new FileDetails({
      fileId,
      sessionId,
      name,
      size: received.size,
      sha256: received.sha256,
      mimeType,
      uploadedAt: isoOf(at),
      uploadedBy: user.name,
      deletedAt: null,
      expiresAt: null,
      metadata,
      messageId: messageId ?? null
    })
  })
})
