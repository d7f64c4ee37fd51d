-- database-ready: compatible_from = 001
--
-- Whose a session is, and an audit trail that outlives the files it tells of: rows of `file_access_log`
-- go with their file, and there is no place in it for what was refused. Only adds, so that programs which
-- know 001 alone may run on it.

-- A session belongs to the user who first writes to it.
CREATE TABLE session_owners (
  session_id TEXT PRIMARY KEY,
  owner      TEXT NOT NULL,
  claimed_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- What was done and what was refused, in the order of `event_id`. No foreign key: it is kept when the file goes.
CREATE TABLE audit_log (
  event_id    INTEGER PRIMARY KEY AUTOINCREMENT,
  happened_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  actor       TEXT,
  action      TEXT NOT NULL,
  outcome     TEXT NOT NULL DEFAULT 'done',
  reason      TEXT,
  session_id  TEXT,
  file_id     TEXT,
  filename    TEXT,
  details     TEXT,
  CHECK (outcome IN ('done', 'refused'))
);

CREATE INDEX idx_audit_log_session ON audit_log(session_id, event_id);
CREATE INDEX idx_session_owners_owner ON session_owners(owner);

-- Whatever enters the access log enters the audit trail by itself. An upload does so through a trigger of 001,
-- which knows no milliseconds: its time is the file's own.
CREATE TRIGGER trg_file_access_log_audit
AFTER INSERT ON file_access_log
BEGIN
  INSERT INTO audit_log (happened_at, actor, action, session_id, file_id, filename, details)
  SELECT CASE NEW.access_type WHEN 'upload' THEN coalesce(uploaded_at, NEW.accessed_at) ELSE NEW.accessed_at END,
    NEW.accessed_by, NEW.access_type, session_id, file_id, original_filename, NEW.access_metadata
  FROM conversation_files WHERE file_id = NEW.file_id;
END;

-- Sessions that are there already belong to whoever uploaded first, as far as that was kept.
-- lint-ignore depends-on-time: only for files whose time of upload was not kept
INSERT INTO session_owners (session_id, owner, claimed_at)
SELECT session_id, uploaded_by, coalesce(min(uploaded_at), CURRENT_TIMESTAMP)
FROM conversation_files WHERE uploaded_by IS NOT NULL GROUP BY session_id;
