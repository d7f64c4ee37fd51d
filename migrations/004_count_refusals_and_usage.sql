-- database-ready: compatible_from = 001
--
-- Refusals are counted, not listed: whoever asks without a token could fill the disk otherwise. What is stored is
-- counted too, by triggers, so that programs which know 001 alone keep the counts as well.

-- One row per minute, caller and reason; `actor` is '' where nobody knows who asked. `path` is that of the last one.
CREATE TABLE refusals (
  refusal_id INTEGER PRIMARY KEY AUTOINCREMENT,
  minute     TIMESTAMP NOT NULL,
  actor      TEXT NOT NULL,
  address    TEXT NOT NULL,
  reason     TEXT NOT NULL,
  path       TEXT NOT NULL,
  count      INTEGER NOT NULL,
  UNIQUE (minute, actor, address, reason)
);

-- Files and bytes of a session, those included that are deleted and can be restored.
CREATE TABLE session_usage (
  session_id TEXT PRIMARY KEY,
  files      INTEGER NOT NULL,
  bytes      INTEGER NOT NULL
) WITHOUT ROWID;

-- The same of all sessions, in one row.
CREATE TABLE storage_usage (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  files    INTEGER NOT NULL,
  bytes    INTEGER NOT NULL
);

INSERT INTO session_usage (session_id, files, bytes)
SELECT session_id, count(*), sum(file_size) FROM conversation_files GROUP BY session_id;

INSERT INTO storage_usage (only_row, files, bytes)
SELECT 1, count(*), coalesce(sum(file_size), 0) FROM conversation_files;

CREATE TRIGGER trg_conversation_files_usage_added
AFTER INSERT ON conversation_files
BEGIN
  INSERT INTO session_usage (session_id, files, bytes) VALUES (NEW.session_id, 1, NEW.file_size)
  ON CONFLICT (session_id) DO UPDATE SET files = files + 1, bytes = bytes + excluded.bytes;
  UPDATE storage_usage SET files = files + 1, bytes = bytes + NEW.file_size;
END;

CREATE TRIGGER trg_conversation_files_usage_removed
AFTER DELETE ON conversation_files
BEGIN
  UPDATE session_usage SET files = files - 1, bytes = bytes - OLD.file_size WHERE session_id = OLD.session_id;
  DELETE FROM session_usage WHERE session_id = OLD.session_id AND files = 0;
  UPDATE storage_usage SET files = files - 1, bytes = bytes - OLD.file_size;
END;

CREATE TRIGGER trg_conversation_files_usage_changed
AFTER UPDATE OF session_id, file_size ON conversation_files
BEGIN
  UPDATE session_usage SET files = files - 1, bytes = bytes - OLD.file_size WHERE session_id = OLD.session_id;
  INSERT INTO session_usage (session_id, files, bytes) VALUES (NEW.session_id, 1, NEW.file_size)
  ON CONFLICT (session_id) DO UPDATE SET files = files + 1, bytes = bytes + excluded.bytes;
  DELETE FROM session_usage WHERE session_id = OLD.session_id AND files = 0;
  UPDATE storage_usage SET bytes = bytes - OLD.file_size + NEW.file_size;
END;

-- For reading the files of all sessions in steps, the newest first.
CREATE INDEX idx_conversation_files_time ON conversation_files(is_deleted, uploaded_at DESC, file_id DESC);
