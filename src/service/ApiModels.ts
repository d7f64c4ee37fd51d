/** What is spoken of. */
import * as Schema from "effect/Schema"

/** Characters of an id that an earlier system gave. */
const longestId = 1024

/** A conversation, as whoever wrote to it first named it: an earlier system may have used any text. */
export const AnySessionId = Schema.String.pipe(
  Schema.minLength(1),
  Schema.maxLength(longestId, { identifier: "AnySessionId", description: "the id of a session" })
)

/** A conversation to which something is added, as its system names it. */
export const SessionId = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, {
    identifier: "SessionId",
    description: "letters, digits, '.', '_' and '-', 128 at most, a letter or digit first"
  })
)

/** An account's name. */
export const UserName = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/, {
    identifier: "UserName",
    description: "letters, digits, '.', '_', '@' and '-', 64 at most, a letter or digit first"
  })
)

/** A UUID in this service's own rows; an earlier system may have given others. */
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
  /** Of the content, in hexadecimal: equal content is stored once. */
  sha256: Schema.String,
  mimeType: Schema.String,
  /** Null where an earlier system did not keep it. */
  uploadedAt: Schema.NullOr(Schema.String),
  uploadedBy: Schema.NullOr(Schema.String),
  deletedAt: Schema.NullOr(Schema.String),
  /**
   * When it is deleted by itself, which can be undone until the retention is over; of a deleted file, when it is
   * deleted for good. Null is never.
   */
  expiresAt: Schema.NullOr(Schema.String)
}) {}

/** Facts about a file that its uploader gave with it, such as width or duration. */
export const Metadata = Schema.Record({ key: Schema.String, value: Schema.String })

export class FileDetails extends ConversationFile.extend<FileDetails>("FileDetails")({
  metadata: Metadata,
  /** Id of the message that the file was uploaded with. */
  messageId: Schema.NullOr(Schema.String)
}) {}

/**
 * A page of a list, newest first; `next` is the `after` of the following page, null on the last one. A search looks at
 * 10,000 files for one page: it may have few files, or none, and a `next`.
 */
export class FilePage extends Schema.Class<FilePage>("FilePage")({
  files: Schema.Array(ConversationFile),
  next: Schema.NullOr(Schema.String)
}) {}

export class AuditEvent extends Schema.Class<AuditEvent>("AuditEvent")({
  eventId: Schema.Number,
  at: Schema.String,
  actor: Schema.NullOr(Schema.String),
  /** `upload`, `view`, `download`, `rename`, `delete`, `restore`, or what was refused. */
  action: Schema.String,
  outcome: Schema.Literal("done", "refused"),
  /** Why it was refused: the `_tag` of the answer. */
  reason: Schema.NullOr(Schema.String),
  fileId: Schema.NullOr(Schema.String),
  filename: Schema.NullOr(Schema.String),
  details: Schema.NullOr(Schema.String)
}) {}

/** Events in the order in which they happened. */
export class AuditPage extends Schema.Class<AuditPage>("AuditPage")({
  events: Schema.Array(AuditEvent),
  next: Schema.NullOr(Schema.Number)
}) {}

/** How often somebody was refused something in one minute. */
export class Refusal extends Schema.Class<Refusal>("Refusal")({
  refusalId: Schema.Number,
  /** When the minute began. */
  minute: Schema.String,
  /** The user; null where nobody knows who asked. */
  actor: Schema.NullOr(Schema.String),
  /** `others` where too many were refused in this minute to count each. */
  address: Schema.String,
  /** The `_tag` of the answer. */
  reason: Schema.String,
  /** That of the last one. */
  path: Schema.String,
  count: Schema.Number
}) {}

/** The latest first. */
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
  /** Bytes on the disk: equal content once. Null of a user who has too many files to compare them. */
  storedBytes: Schema.NullOr(Schema.Number),
  /** Deletions that are due within the next seven days, among the next 2,000 of all. */
  pendingCleanups: Schema.Number,
  /** Bytes that can still be written; null where nobody knows. */
  freeBytes: Schema.NullOr(Schema.Number)
}) {}

export class DeletedFiles extends Schema.Class<DeletedFiles>("DeletedFiles")({ deleted: Schema.Number }) {}

/** A session: whose it is, what it holds, and since when it has ended. */
export class SessionSummary extends Schema.Class<SessionSummary>("SessionSummary")({
  sessionId: Schema.String,
  /** Null where it is nobody's. */
  owner: Schema.NullOr(Schema.String),
  /** The files that are not deleted, and their bytes. */
  files: Schema.Number,
  bytes: Schema.Number,
  /** Deleted files that can be restored. */
  deletedFiles: Schema.Number,
  /** When a file of it was last added, renamed, deleted or restored, or it got another owner. Null where there is nothing. */
  changedAt: Schema.NullOr(Schema.String),
  endedAt: Schema.NullOr(Schema.String),
  /** When the files of a session that has ended are deleted. They can be restored then. */
  expiresAt: Schema.NullOr(Schema.String)
}) {}

/**
 * The last changed first. A page of a search may have fewer sessions than asked for, and none at all, while there are
 * more: `next` is the `after` of the following page, null on the last one.
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
  /** What is stored in the user's sessions, with the deleted files that can be restored. */
  usage: Usage,
  /** How much that may be; null is any number. */
  quota: Schema.Struct({ files: Schema.NullOr(Schema.Number), bytes: Schema.NullOr(Schema.Number) }),
  /** Bytes that one file may have. */
  maxFileSize: Schema.Number
}) {}
