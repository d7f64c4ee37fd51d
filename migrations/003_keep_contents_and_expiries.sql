-- database-ready: compatible_from = 001
-- database-ready: deletes = file_cleanup_queue
--
-- Which contents are this database's, and deletions that somebody asked for. Until here every upload was queued
-- for deletion 30 days later, as if its session had ended, and was destroyed then. Nobody asked for those.

-- One row: the contents on the disk carry the same identity, and the stamp of the last start that used both.
CREATE TABLE contents_identity (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  identity TEXT NOT NULL,
  stamp    TEXT
);

-- lint-ignore depends-on-time: each database has to have an identity of its own
INSERT INTO contents_identity (only_row, identity) VALUES (1, lower(hex(randomblob(16))));

DROP TRIGGER trg_session_association_cleanup_schedule;
DELETE FROM file_cleanup_queue WHERE cleanup_reason = 'session_ended' AND is_processed = 0;

-- The deletion of a file goes through its rows here, and asks for what is queued for it.
CREATE INDEX idx_cleanup_queue_file ON file_cleanup_queue(file_id, is_processed);

-- When a file is to be deleted by itself; it can be restored then. NULL: never, whatever its session says.
CREATE TABLE file_expiries (
  file_id    TEXT PRIMARY KEY,
  expires_at TIMESTAMP,
  set_by     TEXT,
  FOREIGN KEY (file_id) REFERENCES conversation_files(file_id) ON DELETE CASCADE
);

CREATE INDEX idx_file_expiries_due ON file_expiries(expires_at) WHERE expires_at IS NOT NULL;

-- Sessions that somebody ended. Their files are deleted at the time, and can be restored then.
CREATE TABLE ended_sessions (
  session_id TEXT PRIMARY KEY,
  ended_at   TIMESTAMP NOT NULL,
  ended_by   TEXT,
  expires_at TIMESTAMP
);

CREATE INDEX idx_ended_sessions_due ON ended_sessions(expires_at) WHERE expires_at IS NOT NULL;

-- For reading the files of a session in steps, the newest first.
CREATE INDEX idx_conversation_files_session_time
  ON conversation_files(session_id, is_deleted, uploaded_at DESC, file_id DESC);
