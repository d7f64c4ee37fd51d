-- database-ready: compatible_from = 001
--
-- What a session, a user and all of them hold, kept by triggers: lists, quotas and statistics read a row here instead
-- of counting files. Only adds, so that programs which know 001 alone may run on it, and keep the counts as well.

-- One row per session that has files or an owner. `files` and `bytes` are of those that are not deleted; those that are
-- deleted and can be restored are counted beside them. `owner` is NULL where it is nobody's.
CREATE TABLE session_summaries (
  session_id    TEXT PRIMARY KEY,
  owner         TEXT,
  files         INTEGER NOT NULL DEFAULT 0,
  bytes         INTEGER NOT NULL DEFAULT 0,
  deleted_files INTEGER NOT NULL DEFAULT 0,
  deleted_bytes INTEGER NOT NULL DEFAULT 0,
  changed_at    TIMESTAMP NOT NULL
) WITHOUT ROWID;

-- The same of all sessions of an owner; those that are nobody's have the owner ''. `used_sessions` are those with files.
CREATE TABLE owner_usage (
  owner         TEXT PRIMARY KEY,
  sessions      INTEGER NOT NULL,
  used_sessions INTEGER NOT NULL,
  files         INTEGER NOT NULL,
  bytes         INTEGER NOT NULL,
  deleted_files INTEGER NOT NULL,
  deleted_bytes INTEGER NOT NULL
) WITHOUT ROWID;

-- The same of all, in one row, and what the contents of all files take: equal ones once.
CREATE TABLE storage_summary (
  only_row       INTEGER PRIMARY KEY CHECK (only_row = 1),
  sessions       INTEGER NOT NULL,
  used_sessions  INTEGER NOT NULL,
  files          INTEGER NOT NULL,
  bytes          INTEGER NOT NULL,
  deleted_files  INTEGER NOT NULL,
  deleted_bytes  INTEGER NOT NULL,
  contents       INTEGER NOT NULL,
  content_bytes  INTEGER NOT NULL
);

-- lint-ignore depends-on-time: only for sessions whose files have no time
INSERT INTO session_summaries (session_id, owner, files, bytes, deleted_files, deleted_bytes, changed_at)
SELECT cf.session_id, max(so.owner),
  sum(cf.is_deleted IS NOT 1), sum(iif(cf.is_deleted IS NOT 1, cf.file_size, 0)),
  sum(cf.is_deleted IS 1), sum(iif(cf.is_deleted IS 1, cf.file_size, 0)),
  coalesce(nullif(max(max(coalesce(cf.uploaded_at, ''), coalesce(cf.deleted_at, ''))), ''), CURRENT_TIMESTAMP)
FROM conversation_files cf LEFT JOIN session_owners so ON so.session_id = cf.session_id
GROUP BY cf.session_id;

INSERT INTO session_summaries (session_id, owner, changed_at)
SELECT session_id, owner, claimed_at FROM session_owners WHERE true ON CONFLICT (session_id) DO NOTHING;

INSERT INTO owner_usage (owner, sessions, used_sessions, files, bytes, deleted_files, deleted_bytes)
SELECT coalesce(owner, ''), count(*), sum(files + deleted_files > 0), sum(files), sum(bytes), sum(deleted_files),
  sum(deleted_bytes)
FROM session_summaries GROUP BY coalesce(owner, '');

INSERT INTO storage_summary
  (only_row, sessions, used_sessions, files, bytes, deleted_files, deleted_bytes, contents, content_bytes)
SELECT 1, coalesce(sum(sessions), 0), coalesce(sum(used_sessions), 0), coalesce(sum(files), 0), coalesce(sum(bytes), 0),
  coalesce(sum(deleted_files), 0), coalesce(sum(deleted_bytes), 0),
  (SELECT count(*) FROM (SELECT DISTINCT file_hash, file_size FROM conversation_files)),
  (SELECT coalesce(sum(file_size), 0) FROM (SELECT DISTINCT file_hash, file_size FROM conversation_files))
FROM owner_usage;

-- The last changed first: of all, and of one owner.
CREATE INDEX idx_session_summaries_changed ON session_summaries(changed_at DESC, session_id DESC);
CREATE INDEX idx_session_summaries_owner ON session_summaries(owner, changed_at DESC, session_id DESC);

-- From files to sessions.
CREATE TRIGGER trg_conversation_files_summary_added
AFTER INSERT ON conversation_files
BEGIN
  INSERT INTO session_summaries (session_id, owner, files, bytes, deleted_files, deleted_bytes, changed_at)
  VALUES (
    NEW.session_id,
    (SELECT owner FROM session_owners WHERE session_id = NEW.session_id),
    NEW.is_deleted IS NOT 1,
    iif(NEW.is_deleted IS NOT 1, NEW.file_size, 0),
    NEW.is_deleted IS 1,
    iif(NEW.is_deleted IS 1, NEW.file_size, 0),
    strftime('%Y-%m-%d %H:%M:%f', 'now')
  )
  ON CONFLICT (session_id) DO UPDATE SET
    files = files + excluded.files,
    bytes = bytes + excluded.bytes,
    deleted_files = deleted_files + excluded.deleted_files,
    deleted_bytes = deleted_bytes + excluded.deleted_bytes,
    changed_at = excluded.changed_at;
  UPDATE storage_summary SET contents = contents + 1, content_bytes = content_bytes + NEW.file_size
  WHERE NOT EXISTS (
    SELECT 1 FROM conversation_files cf
    WHERE cf.file_hash = NEW.file_hash AND cf.file_size = NEW.file_size AND cf.file_id <> NEW.file_id
  );
END;

CREATE TRIGGER trg_conversation_files_summary_removed
AFTER DELETE ON conversation_files
BEGIN
  UPDATE session_summaries SET
    files = files - (OLD.is_deleted IS NOT 1),
    bytes = bytes - iif(OLD.is_deleted IS NOT 1, OLD.file_size, 0),
    deleted_files = deleted_files - (OLD.is_deleted IS 1),
    deleted_bytes = deleted_bytes - iif(OLD.is_deleted IS 1, OLD.file_size, 0),
    changed_at = strftime('%Y-%m-%d %H:%M:%f', 'now')
  WHERE session_id = OLD.session_id;
  DELETE FROM session_summaries
  WHERE session_id = OLD.session_id AND owner IS NULL AND files = 0 AND deleted_files = 0;
  UPDATE storage_summary SET contents = contents - 1, content_bytes = content_bytes - OLD.file_size
  WHERE NOT EXISTS (
    SELECT 1 FROM conversation_files cf WHERE cf.file_hash = OLD.file_hash AND cf.file_size = OLD.file_size
  );
END;

CREATE TRIGGER trg_conversation_files_summary_changed
AFTER UPDATE OF original_filename, file_size, file_hash, is_deleted ON conversation_files
WHEN NEW.session_id = OLD.session_id
BEGIN
  UPDATE session_summaries SET
    files = files + (NEW.is_deleted IS NOT 1) - (OLD.is_deleted IS NOT 1),
    bytes = bytes + iif(NEW.is_deleted IS NOT 1, NEW.file_size, 0) - iif(OLD.is_deleted IS NOT 1, OLD.file_size, 0),
    deleted_files = deleted_files + (NEW.is_deleted IS 1) - (OLD.is_deleted IS 1),
    deleted_bytes = deleted_bytes + iif(NEW.is_deleted IS 1, NEW.file_size, 0) - iif(OLD.is_deleted IS 1, OLD.file_size, 0),
    changed_at = strftime('%Y-%m-%d %H:%M:%f', 'now')
  WHERE session_id = NEW.session_id;
END;

CREATE TRIGGER trg_conversation_files_summary_moved
AFTER UPDATE OF session_id ON conversation_files
WHEN NEW.session_id <> OLD.session_id
BEGIN
  UPDATE session_summaries SET
    files = files - (OLD.is_deleted IS NOT 1),
    bytes = bytes - iif(OLD.is_deleted IS NOT 1, OLD.file_size, 0),
    deleted_files = deleted_files - (OLD.is_deleted IS 1),
    deleted_bytes = deleted_bytes - iif(OLD.is_deleted IS 1, OLD.file_size, 0),
    changed_at = strftime('%Y-%m-%d %H:%M:%f', 'now')
  WHERE session_id = OLD.session_id;
  DELETE FROM session_summaries
  WHERE session_id = OLD.session_id AND owner IS NULL AND files = 0 AND deleted_files = 0;
  INSERT INTO session_summaries (session_id, owner, files, bytes, deleted_files, deleted_bytes, changed_at)
  VALUES (
    NEW.session_id,
    (SELECT owner FROM session_owners WHERE session_id = NEW.session_id),
    NEW.is_deleted IS NOT 1,
    iif(NEW.is_deleted IS NOT 1, NEW.file_size, 0),
    NEW.is_deleted IS 1,
    iif(NEW.is_deleted IS 1, NEW.file_size, 0),
    strftime('%Y-%m-%d %H:%M:%f', 'now')
  )
  ON CONFLICT (session_id) DO UPDATE SET
    files = files + excluded.files,
    bytes = bytes + excluded.bytes,
    deleted_files = deleted_files + excluded.deleted_files,
    deleted_bytes = deleted_bytes + excluded.deleted_bytes,
    changed_at = excluded.changed_at;
END;

CREATE TRIGGER trg_conversation_files_contents_changed
AFTER UPDATE OF file_hash, file_size ON conversation_files
WHEN NEW.file_hash <> OLD.file_hash OR NEW.file_size <> OLD.file_size
BEGIN
  UPDATE storage_summary SET contents = contents - 1, content_bytes = content_bytes - OLD.file_size
  WHERE NOT EXISTS (
    SELECT 1 FROM conversation_files cf WHERE cf.file_hash = OLD.file_hash AND cf.file_size = OLD.file_size
  );
  UPDATE storage_summary SET contents = contents + 1, content_bytes = content_bytes + NEW.file_size
  WHERE NOT EXISTS (
    SELECT 1 FROM conversation_files cf
    WHERE cf.file_hash = NEW.file_hash AND cf.file_size = NEW.file_size AND cf.file_id <> NEW.file_id
  );
END;

-- From owners to sessions.
CREATE TRIGGER trg_session_owners_summary_added
AFTER INSERT ON session_owners
BEGIN
  INSERT INTO session_summaries (session_id, owner, changed_at)
  VALUES (NEW.session_id, NEW.owner, strftime('%Y-%m-%d %H:%M:%f', 'now'))
  ON CONFLICT (session_id) DO UPDATE SET owner = excluded.owner, changed_at = excluded.changed_at;
END;

CREATE TRIGGER trg_session_owners_summary_changed
AFTER UPDATE OF owner ON session_owners
BEGIN
  UPDATE session_summaries SET owner = NEW.owner, changed_at = strftime('%Y-%m-%d %H:%M:%f', 'now')
  WHERE session_id = NEW.session_id;
END;

CREATE TRIGGER trg_session_owners_summary_removed
AFTER DELETE ON session_owners
BEGIN
  UPDATE session_summaries SET owner = NULL WHERE session_id = OLD.session_id;
  DELETE FROM session_summaries WHERE session_id = OLD.session_id AND files = 0 AND deleted_files = 0;
END;

-- From sessions to owners, and to all.
CREATE TRIGGER trg_session_summaries_usage_added
AFTER INSERT ON session_summaries
BEGIN
  INSERT INTO owner_usage (owner, sessions, used_sessions, files, bytes, deleted_files, deleted_bytes)
  VALUES (coalesce(NEW.owner, ''), 1, NEW.files + NEW.deleted_files > 0, NEW.files, NEW.bytes, NEW.deleted_files,
    NEW.deleted_bytes)
  ON CONFLICT (owner) DO UPDATE SET
    sessions = sessions + 1,
    used_sessions = used_sessions + excluded.used_sessions,
    files = files + excluded.files,
    bytes = bytes + excluded.bytes,
    deleted_files = deleted_files + excluded.deleted_files,
    deleted_bytes = deleted_bytes + excluded.deleted_bytes;
  UPDATE storage_summary SET
    sessions = sessions + 1,
    used_sessions = used_sessions + (NEW.files + NEW.deleted_files > 0),
    files = files + NEW.files,
    bytes = bytes + NEW.bytes,
    deleted_files = deleted_files + NEW.deleted_files,
    deleted_bytes = deleted_bytes + NEW.deleted_bytes;
END;

CREATE TRIGGER trg_session_summaries_usage_removed
AFTER DELETE ON session_summaries
BEGIN
  UPDATE owner_usage SET
    sessions = sessions - 1,
    used_sessions = used_sessions - (OLD.files + OLD.deleted_files > 0),
    files = files - OLD.files,
    bytes = bytes - OLD.bytes,
    deleted_files = deleted_files - OLD.deleted_files,
    deleted_bytes = deleted_bytes - OLD.deleted_bytes
  WHERE owner = coalesce(OLD.owner, '');
  DELETE FROM owner_usage WHERE owner = coalesce(OLD.owner, '') AND sessions = 0;
  UPDATE storage_summary SET
    sessions = sessions - 1,
    used_sessions = used_sessions - (OLD.files + OLD.deleted_files > 0),
    files = files - OLD.files,
    bytes = bytes - OLD.bytes,
    deleted_files = deleted_files - OLD.deleted_files,
    deleted_bytes = deleted_bytes - OLD.deleted_bytes;
END;

CREATE TRIGGER trg_session_summaries_usage_changed
AFTER UPDATE OF files, bytes, deleted_files, deleted_bytes ON session_summaries
WHEN NEW.owner IS OLD.owner
BEGIN
  UPDATE owner_usage SET
    used_sessions = used_sessions + (NEW.files + NEW.deleted_files > 0) - (OLD.files + OLD.deleted_files > 0),
    files = files + NEW.files - OLD.files,
    bytes = bytes + NEW.bytes - OLD.bytes,
    deleted_files = deleted_files + NEW.deleted_files - OLD.deleted_files,
    deleted_bytes = deleted_bytes + NEW.deleted_bytes - OLD.deleted_bytes
  WHERE owner = coalesce(NEW.owner, '');
  UPDATE storage_summary SET
    used_sessions = used_sessions + (NEW.files + NEW.deleted_files > 0) - (OLD.files + OLD.deleted_files > 0),
    files = files + NEW.files - OLD.files,
    bytes = bytes + NEW.bytes - OLD.bytes,
    deleted_files = deleted_files + NEW.deleted_files - OLD.deleted_files,
    deleted_bytes = deleted_bytes + NEW.deleted_bytes - OLD.deleted_bytes;
END;

CREATE TRIGGER trg_session_summaries_usage_given
AFTER UPDATE OF owner ON session_summaries
WHEN NEW.owner IS NOT OLD.owner
BEGIN
  UPDATE owner_usage SET
    sessions = sessions - 1,
    used_sessions = used_sessions - (OLD.files + OLD.deleted_files > 0),
    files = files - OLD.files,
    bytes = bytes - OLD.bytes,
    deleted_files = deleted_files - OLD.deleted_files,
    deleted_bytes = deleted_bytes - OLD.deleted_bytes
  WHERE owner = coalesce(OLD.owner, '');
  DELETE FROM owner_usage WHERE owner = coalesce(OLD.owner, '') AND sessions = 0;
  INSERT INTO owner_usage (owner, sessions, used_sessions, files, bytes, deleted_files, deleted_bytes)
  VALUES (coalesce(NEW.owner, ''), 1, NEW.files + NEW.deleted_files > 0, NEW.files, NEW.bytes, NEW.deleted_files,
    NEW.deleted_bytes)
  ON CONFLICT (owner) DO UPDATE SET
    sessions = sessions + 1,
    used_sessions = used_sessions + excluded.used_sessions,
    files = files + excluded.files,
    bytes = bytes + excluded.bytes,
    deleted_files = deleted_files + excluded.deleted_files,
    deleted_bytes = deleted_bytes + excluded.deleted_bytes;
END;

-- Whose a planned deletion is, so that users see theirs in the order of time without looking at those of others. NULL
-- where the session is nobody's.
ALTER TABLE file_cleanup_queue ADD COLUMN owner TEXT;
ALTER TABLE file_expiries ADD COLUMN owner TEXT;
ALTER TABLE ended_sessions ADD COLUMN owner TEXT;

UPDATE file_cleanup_queue SET owner = (SELECT owner FROM session_owners so WHERE so.session_id = file_cleanup_queue.session_id)
WHERE is_processed = 0;
UPDATE file_expiries SET owner = (
  SELECT so.owner FROM conversation_files cf JOIN session_owners so ON so.session_id = cf.session_id
  WHERE cf.file_id = file_expiries.file_id
);
UPDATE ended_sessions SET owner = (SELECT owner FROM session_owners so WHERE so.session_id = ended_sessions.session_id);

CREATE INDEX idx_cleanup_queue_owner ON file_cleanup_queue(owner, is_processed, scheduled_deletion_time);
CREATE INDEX idx_cleanup_queue_session ON file_cleanup_queue(session_id, is_processed);
CREATE INDEX idx_file_expiries_owner ON file_expiries(owner, expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX idx_ended_sessions_owner ON ended_sessions(owner, expires_at) WHERE expires_at IS NOT NULL;

CREATE TRIGGER trg_cleanup_queue_owner
AFTER INSERT ON file_cleanup_queue
BEGIN
  UPDATE file_cleanup_queue SET owner = (SELECT owner FROM session_owners WHERE session_id = NEW.session_id)
  WHERE cleanup_id = NEW.cleanup_id;
END;

CREATE TRIGGER trg_file_expiries_owner
AFTER INSERT ON file_expiries
BEGIN
  UPDATE file_expiries SET owner = (
    SELECT so.owner FROM conversation_files cf JOIN session_owners so ON so.session_id = cf.session_id
    WHERE cf.file_id = NEW.file_id
  ) WHERE file_id = NEW.file_id;
END;

CREATE TRIGGER trg_ended_sessions_owner
AFTER INSERT ON ended_sessions
BEGIN
  UPDATE ended_sessions SET owner = (SELECT owner FROM session_owners WHERE session_id = NEW.session_id)
  WHERE session_id = NEW.session_id;
END;

-- By way of the summaries, which follow the owners.
CREATE TRIGGER trg_session_summaries_planned_given
AFTER UPDATE OF owner ON session_summaries
WHEN NEW.owner IS NOT OLD.owner
BEGIN
  UPDATE file_cleanup_queue SET owner = NEW.owner WHERE session_id = NEW.session_id AND is_processed = 0;
  UPDATE file_expiries SET owner = NEW.owner
  WHERE file_id IN (SELECT file_id FROM conversation_files WHERE session_id = NEW.session_id);
  UPDATE ended_sessions SET owner = NEW.owner WHERE session_id = NEW.session_id;
END;

CREATE TRIGGER trg_conversation_files_planned_moved
AFTER UPDATE OF session_id ON conversation_files
WHEN NEW.session_id <> OLD.session_id
BEGIN
  UPDATE file_cleanup_queue SET
    session_id = NEW.session_id, owner = (SELECT owner FROM session_owners WHERE session_id = NEW.session_id)
  WHERE file_id = NEW.file_id AND is_processed = 0;
  UPDATE file_expiries SET owner = (SELECT owner FROM session_owners WHERE session_id = NEW.session_id)
  WHERE file_id = NEW.file_id;
END;
