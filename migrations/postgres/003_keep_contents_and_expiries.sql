-- database-ready: compatible_from = 001
-- database-ready: deletes = file_cleanup_queue
--
-- As migrations/003_keep_contents_and_expiries.sql.

CREATE TABLE contents_identity (
  only_row smallint PRIMARY KEY CHECK (only_row = 1),
  identity text NOT NULL,
  stamp    text
);

INSERT INTO contents_identity (only_row, identity) VALUES (1, replace(gen_random_uuid()::text, '-', ''));

DROP TRIGGER trg_session_association_cleanup_schedule ON session_file_associations;
DROP FUNCTION session_association_cleanup_schedule();
DELETE FROM file_cleanup_queue WHERE cleanup_reason = 'session_ended' AND is_processed = 0;

CREATE INDEX idx_cleanup_queue_file ON file_cleanup_queue (file_id, is_processed);

CREATE TABLE file_expiries (
  file_id    text PRIMARY KEY REFERENCES conversation_files ON DELETE CASCADE,
  expires_at timestamptz(3),
  set_by     text
);

CREATE INDEX idx_file_expiries_due ON file_expiries (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE ended_sessions (
  session_id text PRIMARY KEY,
  ended_at   timestamptz(3) NOT NULL,
  ended_by   text,
  expires_at timestamptz(3)
);

CREATE INDEX idx_ended_sessions_due ON ended_sessions (expires_at) WHERE expires_at IS NOT NULL;

CREATE INDEX idx_conversation_files_session_time
  ON conversation_files (session_id, is_deleted, uploaded_at DESC NULLS LAST, file_id DESC);

-- The contents themselves, in parts, so that every backend has them. SQLite has them in files beside the database.
-- Compressing again what mostly is compressed takes time and saves nothing.
CREATE TABLE contents (
  sha256 text PRIMARY KEY,
  size   bigint NOT NULL CHECK (size >= 0)
);

CREATE TABLE content_parts (
  sha256 text NOT NULL REFERENCES contents ON DELETE CASCADE,
  part   bigint NOT NULL,
  bytes  bytea NOT NULL,
  PRIMARY KEY (sha256, part)
);

ALTER TABLE content_parts ALTER COLUMN bytes SET STORAGE EXTERNAL;
