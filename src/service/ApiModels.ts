/** The resources of the API. */
import * as Schema from "effect/Schema"
import { bounds, isMoment } from "./timestamp.ts"

/** The longest id that an earlier system may have given, in characters. */
const longestId = 1024

/** A conversation. Earlier systems may have named it with any text. */
export const AnySessionId = Schema.String.pipe(
  Schema.minLength(1),
  Schema.maxLength(longestId, { identifier: "AnySessionId", description: "the id of a session" })
)

/** A conversation that files can be added to. */
export const SessionId = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, {
    identifier: "SessionId",
    description: "letters, digits, '.', '_' and '-', 128 at most, a letter or digit first"
  })
)

/** A moment that a client gives. Others cannot be stored: as text they would be before all others. */
export const Moment = Schema.String.pipe(
  Schema.filter(isMoment, { identifier: "Moment", description: "a time such as 2026-01-31T12:00:00Z" }),
  Schema.compose(Schema.Date),
  Schema.filter((at) => at >= bounds.first && at <= bounds.last, {
    identifier: "StorableMoment",
    description: "a time between the years 1 and 9999"
  })
)

/** The name of an account. */
export const UserName = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/, {
    identifier: "UserName",
    description: "letters, digits, '.', '_', '@' and '-', 64 at most, a letter or digit first"
  })
)

/** A UUID in rows of this service; earlier systems may have used other ids. */
export const FileId = Schema.String.pipe(
  Schema.minLength(1),
  Schema.maxLength(longestId, { identifier: "FileId", description: "the id of a file" })
)

/** One file of a conversation. Times are ISO 8601 in UTC, sizes are bytes. */
export class ConversationFile extends Schema.Class<ConversationFile>("ConversationFile")({
  fileId: Schema.String,
  sessionId: Schema.String,
  name: Schema.String,
  size: Schema.Number,
  /** The hash of the content, in hexadecimal. Equal content is stored once. */
  sha256: Schema.String,
  mimeType: Schema.String,
  /** Null if an earlier system did not keep it. */
  uploadedAt: Schema.NullOr(Schema.String),
  uploadedBy: Schema.NullOr(Schema.String),
  deletedAt: Schema.NullOr(Schema.String),
  /**
   * When the file is deleted automatically; it can be restored until the retention ends. If the file is deleted
   * already: when it is deleted for good. Null is never.
   */
  expiresAt: Schema.NullOr(Schema.String)
}) {}

/** Facts that the uploader gave with a file, such as width or duration. */
export const Metadata = Schema.Record({ key: Schema.String, value: Schema.String })

export class FileDetails extends ConversationFile.extend<FileDetails>("FileDetails")({
  metadata: Metadata,
  /** The id of the message that the file was uploaded with. */
  messageId: Schema.NullOr(Schema.String)
}) {}

/**
 * A page of a list, newest first. `next` is the `after` of the next page, null on the last one. A search looks at
 * 10,000 files for one page, so a page may have few files or none and still a `next`.
 */
export class FilePage extends Schema.Class<FilePage>("FilePage")({
  files: Schema.Array(ConversationFile),
  next: Schema.NullOr(Schema.String)
}) {}

export class AuditEvent extends Schema.Class<AuditEvent>("AuditEvent")({
  eventId: Schema.Number,
  at: Schema.String,
  actor: Schema.NullOr(Schema.String),
  /** `upload`, `view`, `download`, `rename`, `delete`, `restore`, or the action that was refused. */
  action: Schema.String,
  outcome: Schema.Literal("done", "refused"),
  /** Why it was refused: the `_tag` of the answer. */
  reason: Schema.NullOr(Schema.String),
  fileId: Schema.NullOr(Schema.String),
  /** Of the file, when it happened. */
  name: Schema.NullOr(Schema.String),
  details: Schema.NullOr(Schema.String)
}) {}

/** Events in the order in which they happened. */
export class AuditPage extends Schema.Class<AuditPage>("AuditPage")({
  events: Schema.Array(AuditEvent),
  next: Schema.NullOr(Schema.Number)
}) {}

/** How often one caller was refused for one reason in one minute. */
export class Refusal extends Schema.Class<Refusal>("Refusal")({
  refusalId: Schema.Number,
  /** When the minute began. */
  minute: Schema.String,
  /** The user; null if unknown. */
  actor: Schema.NullOr(Schema.String),
  /** `others` if too many callers were refused in this minute to count each. */
  address: Schema.String,
  /** The `_tag` of the answer. */
  reason: Schema.String,
  /** The path of the last one. */
  path: Schema.String,
  count: Schema.Number
}) {}

/** Latest first. */
export class RefusalPage extends Schema.Class<RefusalPage>("RefusalPage")({
  refusals: Schema.Array(Refusal),
  next: Schema.NullOr(Schema.Number)
}) {}

export class StorageStatistics extends Schema.Class<StorageStatistics>("StorageStatistics")({
  files: Schema.Number,
  deletedFiles: Schema.Number,
  sessions: Schema.Number,
  /** Bytes that the files would take without deduplication. */
  bytes: Schema.Number,
  /** Bytes on the disk, with equal content counted once. */
  storedBytes: Schema.Number,
  /** How many of `/api/cleanups` are due within seven days. */
  pendingCleanups: Schema.Number,
  /** Bytes that can still be written; null if unknown. */
  freeBytes: Schema.NullOr(Schema.Number)
}) {}

/** What one request deleted, and how many files are left: ask again until none is. */
export class DeletedFiles extends Schema.Class<DeletedFiles>("DeletedFiles")({
  deleted: Schema.Number,
  remaining: Schema.Number
}) {}

/** A session: its owner, what it holds, and when it ended. */
export class SessionSummary extends Schema.Class<SessionSummary>("SessionSummary")({
  sessionId: Schema.String,
  /** Null if it has no owner. */
  owner: Schema.NullOr(Schema.String),
  /** The files that are not deleted, and their bytes. */
  files: Schema.Number,
  bytes: Schema.Number,
  /** Deleted files that can be restored. */
  deletedFiles: Schema.Number,
  /** When a file was last added, renamed, deleted or restored, or the owner changed. Null for an empty session. */
  changedAt: Schema.NullOr(Schema.String),
  endedAt: Schema.NullOr(Schema.String),
  /** When the files of an ended session are deleted. They can be restored after that. */
  expiresAt: Schema.NullOr(Schema.String)
}) {}

/**
 * Last changed first. A page of a search may have fewer sessions than asked for, or none, while there are more: `next`
 * is the `after` of the next page, null on the last one.
 */
export class SessionPage extends Schema.Class<SessionPage>("SessionPage")({
  sessions: Schema.Array(SessionSummary),
  next: Schema.NullOr(Schema.String)
}) {}

/** An amount of files. */
const Usage = Schema.Struct({ files: Schema.Number, bytes: Schema.Number })

/** The user who asks. */
export class Me extends Schema.Class<Me>("Me")({
  name: Schema.String,
  isAdministrator: Schema.Boolean,
  /** What is stored in the user's sessions, including deleted files that can be restored. */
  usage: Usage,
  /** How much may be stored; null is unlimited. */
  quota: Schema.Struct({ files: Schema.NullOr(Schema.Number), bytes: Schema.NullOr(Schema.Number) }),
  /** The most bytes that one file may have. */
  maxFileSize: Schema.Number
}) {}
