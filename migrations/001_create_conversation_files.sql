-- The files of conversations: what was uploaded, to which sessions it belongs, who touched it,
-- and what is due to be deleted.
--
-- IF NOT EXISTS lets a database that an earlier system created only in part be completed. It hides
-- nothing: before the commit every object is compared with the one that this file makes on its own.

-- One row per uploaded file. `file_id` is a UUID, `file_hash` the SHA-256 of the content,
-- `file_size` in bytes, timestamps in UTC.
CREATE TABLE IF NOT EXISTS conversation_files (
  file_id           TEXT PRIMARY KEY,
  session_id        TEXT NOT NULL,
  original_filename TEXT NOT NULL,
  stored_filename   TEXT NOT NULL UNIQUE,
  file_path         TEXT NOT NULL,
  file_size         INTEGER NOT NULL,
  file_hash         TEXT NOT NULL,
  mime_type         TEXT,
  uploaded_at       TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  uploaded_by       TEXT,
  is_deleted        INTEGER DEFAULT 0,
  deleted_at        TIMESTAMP NULL,
  CHECK (file_size >= 0),
  CHECK (is_deleted IN (0, 1))
);

-- Facts about a file that only some kinds have, such as width or duration.
CREATE TABLE IF NOT EXISTS file_metadata (
  metadata_id    INTEGER PRIMARY KEY AUTOINCREMENT,
  file_id        TEXT NOT NULL,
  metadata_key   TEXT NOT NULL,
  metadata_value TEXT,
  created_at     TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  FOREIGN KEY (file_id) REFERENCES conversation_files(file_id) ON DELETE CASCADE,
  UNIQUE (file_id, metadata_key)
);

-- A file can be used in several sessions, and in several messages of one.
CREATE TABLE IF NOT EXISTS session_file_associations (
  association_id   INTEGER PRIMARY KEY AUTOINCREMENT,
  session_id       TEXT NOT NULL,
  file_id          TEXT NOT NULL,
  association_type TEXT DEFAULT 'upload',
  message_id       TEXT,
  associated_at    TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  FOREIGN KEY (file_id) REFERENCES conversation_files(file_id) ON DELETE CASCADE,
  UNIQUE (session_id, file_id, message_id)
);

-- The audit trail. `access_metadata` is JSON.
CREATE TABLE IF NOT EXISTS file_access_log (
  log_id          INTEGER PRIMARY KEY AUTOINCREMENT,
  file_id         TEXT NOT NULL,
  access_type     TEXT NOT NULL,
  accessed_by     TEXT,
  accessed_at     TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  access_metadata TEXT,
  FOREIGN KEY (file_id) REFERENCES conversation_files(file_id) ON DELETE CASCADE,
  CHECK (access_type IN ('upload', 'download', 'view', 'delete', 'restore'))
);

-- What is to be deleted, when and why.
CREATE TABLE IF NOT EXISTS file_cleanup_queue (
  cleanup_id              INTEGER PRIMARY KEY AUTOINCREMENT,
  file_id                 TEXT NOT NULL,
  session_id              TEXT NOT NULL,
  scheduled_deletion_time TIMESTAMP NOT NULL,
  cleanup_reason          TEXT DEFAULT 'session_ended',
  is_processed            INTEGER DEFAULT 0,
  processed_at            TIMESTAMP NULL,
  FOREIGN KEY (file_id) REFERENCES conversation_files(file_id) ON DELETE CASCADE,
  CHECK (is_processed IN (0, 1)),
  CHECK (cleanup_reason IN ('session_ended', 'user_request', 'expired', 'space_limit'))
);

CREATE INDEX IF NOT EXISTS idx_conversation_files_session ON conversation_files(session_id, is_deleted);
CREATE INDEX IF NOT EXISTS idx_conversation_files_hash ON conversation_files(file_hash, is_deleted);
CREATE INDEX IF NOT EXISTS idx_conversation_files_uploaded_at ON conversation_files(uploaded_at DESC);
CREATE INDEX IF NOT EXISTS idx_file_metadata_file_id ON file_metadata(file_id);
CREATE INDEX IF NOT EXISTS idx_session_associations_session ON session_file_associations(session_id);
CREATE INDEX IF NOT EXISTS idx_session_associations_file ON session_file_associations(file_id);
CREATE INDEX IF NOT EXISTS idx_file_access_log_file ON file_access_log(file_id, accessed_at DESC);
CREATE INDEX IF NOT EXISTS idx_cleanup_queue_processed
  ON file_cleanup_queue(is_processed, scheduled_deletion_time);

-- A soft delete stamps its time.
CREATE TRIGGER IF NOT EXISTS trg_conversation_files_soft_delete
AFTER UPDATE OF is_deleted ON conversation_files
WHEN NEW.is_deleted = 1 AND OLD.is_deleted = 0
BEGIN
  UPDATE conversation_files SET deleted_at = CURRENT_TIMESTAMP WHERE file_id = NEW.file_id;
END;

-- Every upload enters the audit trail by itself.
CREATE TRIGGER IF NOT EXISTS trg_conversation_files_upload_log
AFTER INSERT ON conversation_files
BEGIN
  INSERT INTO file_access_log (file_id, access_type, accessed_by, access_metadata)
  VALUES (NEW.file_id, 'upload', NEW.uploaded_by,
    json_object('file_size', NEW.file_size, 'mime_type', NEW.mime_type));
END;

-- A file that joins a session is due for cleanup in 30 days.
CREATE TRIGGER IF NOT EXISTS trg_session_association_cleanup_schedule
AFTER INSERT ON session_file_associations
BEGIN
  INSERT INTO file_cleanup_queue (file_id, session_id, scheduled_deletion_time, cleanup_reason)
  VALUES (NEW.file_id, NEW.session_id, datetime('now', '+30 days'), 'session_ended');
END;

-- Files that are not deleted, with the number of sessions that use them.
CREATE VIEW IF NOT EXISTS v_active_files AS
SELECT
  cf.file_id, cf.session_id, cf.original_filename, cf.file_size, cf.file_hash, cf.mime_type,
  cf.uploaded_at, cf.uploaded_by,
  COUNT(DISTINCT sfa.session_id) AS session_count,
  MAX(sfa.associated_at) AS last_associated_at
FROM conversation_files cf
LEFT JOIN session_file_associations sfa ON cf.file_id = sfa.file_id
WHERE cf.is_deleted = 0
GROUP BY cf.file_id;

-- What a session holds, in files and bytes.
CREATE VIEW IF NOT EXISTS v_session_file_summary AS
SELECT
  sfa.session_id,
  COUNT(DISTINCT sfa.file_id) AS total_files,
  SUM(cf.file_size) AS total_size,
  MIN(sfa.associated_at) AS first_file_added,
  MAX(sfa.associated_at) AS last_file_added
FROM session_file_associations sfa
JOIN conversation_files cf ON sfa.file_id = cf.file_id
WHERE cf.is_deleted = 0
GROUP BY sfa.session_id;

-- Deletions due within 7 days, the next one first.
CREATE VIEW IF NOT EXISTS v_pending_cleanups AS
SELECT
  fcq.cleanup_id, fcq.file_id, fcq.session_id, cf.original_filename, cf.file_size,
  fcq.scheduled_deletion_time, fcq.cleanup_reason,
  CAST((julianday(fcq.scheduled_deletion_time) - julianday('now')) * 24 * 60 AS INTEGER)
    AS minutes_until_deletion
FROM file_cleanup_queue fcq
JOIN conversation_files cf ON fcq.file_id = cf.file_id
WHERE fcq.is_processed = 0
  AND fcq.scheduled_deletion_time <= datetime('now', '+7 days')
ORDER BY fcq.scheduled_deletion_time ASC;
