-- database-ready: compatible_from = 001
--
-- As migrations/005_summarize_sessions.sql. A trigger for each row sees here what its statement did to all rows, not only
-- to the rows before: equal contents are counted by triggers for each statement.

CREATE TABLE session_summaries (
  session_id    text PRIMARY KEY,
  owner         text,
  files         bigint NOT NULL DEFAULT 0,
  bytes         bigint NOT NULL DEFAULT 0,
  deleted_files bigint NOT NULL DEFAULT 0,
  deleted_bytes bigint NOT NULL DEFAULT 0,
  changed_at    timestamptz(3) NOT NULL
);

CREATE TABLE owner_usage (
  owner         text PRIMARY KEY,
  sessions      bigint NOT NULL,
  used_sessions bigint NOT NULL,
  files         bigint NOT NULL,
  bytes         bigint NOT NULL,
  deleted_files bigint NOT NULL,
  deleted_bytes bigint NOT NULL
);

CREATE TABLE storage_summary (
  only_row       smallint PRIMARY KEY CHECK (only_row = 1),
  sessions       bigint NOT NULL,
  used_sessions  bigint NOT NULL,
  files          bigint NOT NULL,
  bytes          bigint NOT NULL,
  deleted_files  bigint NOT NULL,
  deleted_bytes  bigint NOT NULL,
  contents       bigint NOT NULL,
  content_bytes  bigint NOT NULL
);

INSERT INTO session_summaries (session_id, owner, files, bytes, deleted_files, deleted_bytes, changed_at)
SELECT cf.session_id, max(so.owner),
  count(*) FILTER (WHERE cf.is_deleted IS DISTINCT FROM 1),
  coalesce(sum(cf.file_size) FILTER (WHERE cf.is_deleted IS DISTINCT FROM 1), 0),
  count(*) FILTER (WHERE cf.is_deleted = 1),
  coalesce(sum(cf.file_size) FILTER (WHERE cf.is_deleted = 1), 0),
  coalesce(max(greatest(cf.uploaded_at, cf.deleted_at)), now())
FROM conversation_files cf LEFT JOIN session_owners so ON so.session_id = cf.session_id
GROUP BY cf.session_id;

INSERT INTO session_summaries (session_id, owner, changed_at)
SELECT session_id, owner, claimed_at FROM session_owners ON CONFLICT (session_id) DO NOTHING;

INSERT INTO owner_usage (owner, sessions, used_sessions, files, bytes, deleted_files, deleted_bytes)
SELECT coalesce(owner, ''), count(*), count(*) FILTER (WHERE files + deleted_files > 0), sum(files), sum(bytes),
  sum(deleted_files), sum(deleted_bytes)
FROM session_summaries GROUP BY coalesce(owner, '');

INSERT INTO storage_summary
  (only_row, sessions, used_sessions, files, bytes, deleted_files, deleted_bytes, contents, content_bytes)
SELECT 1, coalesce(sum(sessions), 0), coalesce(sum(used_sessions), 0), coalesce(sum(files), 0), coalesce(sum(bytes), 0),
  coalesce(sum(deleted_files), 0), coalesce(sum(deleted_bytes), 0),
  (SELECT count(*) FROM (SELECT DISTINCT file_hash, file_size FROM conversation_files) AS c),
  (SELECT coalesce(sum(file_size), 0) FROM (SELECT DISTINCT file_hash, file_size FROM conversation_files) AS c)
FROM owner_usage;

CREATE INDEX idx_session_summaries_changed ON session_summaries (changed_at DESC, session_id DESC);
CREATE INDEX idx_session_summaries_owner ON session_summaries (owner, changed_at DESC, session_id DESC);

-- From files to sessions. Which row it is, and whether it comes (1) or goes (-1).
CREATE FUNCTION conversation_files_summarize(file conversation_files, way integer) RETURNS void LANGUAGE sql AS $$
  INSERT INTO session_summaries AS s (session_id, owner, files, bytes, deleted_files, deleted_bytes, changed_at)
  VALUES (
    file.session_id,
    (SELECT owner FROM session_owners WHERE session_id = file.session_id),
    CASE WHEN file.is_deleted = 1 THEN 0 ELSE way END,
    CASE WHEN file.is_deleted = 1 THEN 0 ELSE way * file.file_size END,
    CASE WHEN file.is_deleted = 1 THEN way ELSE 0 END,
    CASE WHEN file.is_deleted = 1 THEN way * file.file_size ELSE 0 END,
    now()
  )
  ON CONFLICT (session_id) DO UPDATE SET
    files = s.files + excluded.files,
    bytes = s.bytes + excluded.bytes,
    deleted_files = s.deleted_files + excluded.deleted_files,
    deleted_bytes = s.deleted_bytes + excluded.deleted_bytes,
    changed_at = excluded.changed_at;
  DELETE FROM session_summaries
  WHERE session_id = file.session_id AND owner IS NULL AND files = 0 AND deleted_files = 0;
$$;

CREATE FUNCTION conversation_files_summary_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM conversation_files_summarize(NEW, 1);
  RETURN NULL;
END;
$$;
CREATE TRIGGER trg_conversation_files_summary_added
AFTER INSERT ON conversation_files
FOR EACH ROW EXECUTE FUNCTION conversation_files_summary_added();

CREATE FUNCTION conversation_files_summary_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM conversation_files_summarize(OLD, -1);
  RETURN NULL;
END;
$$;
CREATE TRIGGER trg_conversation_files_summary_removed
AFTER DELETE ON conversation_files
FOR EACH ROW EXECUTE FUNCTION conversation_files_summary_removed();

CREATE FUNCTION conversation_files_summary_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE session_summaries SET
    files = files + (NEW.is_deleted IS DISTINCT FROM 1)::int - (OLD.is_deleted IS DISTINCT FROM 1)::int,
    bytes = bytes + CASE WHEN NEW.is_deleted = 1 THEN 0 ELSE NEW.file_size END
      - CASE WHEN OLD.is_deleted = 1 THEN 0 ELSE OLD.file_size END,
    deleted_files = deleted_files + (NEW.is_deleted IS NOT DISTINCT FROM 1)::int
      - (OLD.is_deleted IS NOT DISTINCT FROM 1)::int,
    deleted_bytes = deleted_bytes + CASE WHEN NEW.is_deleted = 1 THEN NEW.file_size ELSE 0 END
      - CASE WHEN OLD.is_deleted = 1 THEN OLD.file_size ELSE 0 END,
    changed_at = now()
  WHERE session_id = NEW.session_id;
  RETURN NULL;
END;
$$;
CREATE TRIGGER trg_conversation_files_summary_changed
AFTER UPDATE OF original_filename, file_size, file_hash, is_deleted ON conversation_files
FOR EACH ROW WHEN (NEW.session_id = OLD.session_id)
EXECUTE FUNCTION conversation_files_summary_changed();

CREATE FUNCTION conversation_files_summary_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM conversation_files_summarize(OLD, -1), conversation_files_summarize(NEW, 1);
  RETURN NULL;
END;
$$;
CREATE TRIGGER trg_conversation_files_summary_moved
AFTER UPDATE OF session_id ON conversation_files
FOR EACH ROW WHEN (NEW.session_id <> OLD.session_id)
EXECUTE FUNCTION conversation_files_summary_moved();

-- Contents that some rows have and no other row: those of the rows that come are new, those of the rows that go are gone.
CREATE FUNCTION conversation_files_contents_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE storage_summary SET contents = contents + c.number, content_bytes = content_bytes + c.bytes
  FROM (
    SELECT count(*) AS number, coalesce(sum(file_size), 0) AS bytes FROM (
      SELECT DISTINCT file_hash, file_size FROM added a WHERE NOT EXISTS (
        SELECT FROM conversation_files cf WHERE cf.file_hash = a.file_hash AND cf.file_size = a.file_size
        AND NOT EXISTS (SELECT FROM added other WHERE other.file_id = cf.file_id)
      )
    ) AS lone
  ) AS c WHERE c.number > 0;
  RETURN NULL;
END;
$$;
CREATE TRIGGER trg_conversation_files_contents_added
AFTER INSERT ON conversation_files REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION conversation_files_contents_added();

CREATE FUNCTION conversation_files_contents_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE storage_summary SET contents = contents - c.number, content_bytes = content_bytes - c.bytes
  FROM (
    SELECT count(*) AS number, coalesce(sum(file_size), 0) AS bytes FROM (
      SELECT DISTINCT file_hash, file_size FROM removed r WHERE NOT EXISTS (
        SELECT FROM conversation_files cf WHERE cf.file_hash = r.file_hash AND cf.file_size = r.file_size
      )
    ) AS lone
  ) AS c WHERE c.number > 0;
  RETURN NULL;
END;
$$;
CREATE TRIGGER trg_conversation_files_contents_removed
AFTER DELETE ON conversation_files REFERENCING OLD TABLE AS removed
FOR EACH STATEMENT EXECUTE FUNCTION conversation_files_contents_removed();

CREATE FUNCTION conversation_files_contents_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT file_hash, file_size FROM was EXCEPT ALL SELECT file_hash, file_size FROM became) THEN
    RETURN NULL;
  END IF;
  UPDATE storage_summary SET contents = contents + c.number, content_bytes = content_bytes + c.bytes
  FROM (
    SELECT coalesce(sum(way), 0) AS number, coalesce(sum(way * file_size), 0) AS bytes FROM (
      SELECT DISTINCT file_hash, file_size, 1 AS way FROM became
      UNION ALL SELECT DISTINCT file_hash, file_size, -1 FROM was
    ) AS lone WHERE NOT EXISTS (
      SELECT FROM conversation_files cf WHERE cf.file_hash = lone.file_hash AND cf.file_size = lone.file_size
      AND NOT EXISTS (SELECT FROM became other WHERE other.file_id = cf.file_id)
    )
  ) AS c;
  RETURN NULL;
END;
$$;
CREATE TRIGGER trg_conversation_files_contents_changed
AFTER UPDATE ON conversation_files REFERENCING OLD TABLE AS was NEW TABLE AS became
FOR EACH STATEMENT EXECUTE FUNCTION conversation_files_contents_changed();

-- From owners to sessions.
CREATE FUNCTION session_owners_summary_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO session_summaries (session_id, owner, changed_at) VALUES (NEW.session_id, NEW.owner, now())
  ON CONFLICT (session_id) DO UPDATE SET owner = excluded.owner, changed_at = excluded.changed_at;
  RETURN NULL;
END;
$$;
CREATE TRIGGER trg_session_owners_summary_added
AFTER INSERT ON session_owners
FOR EACH ROW EXECUTE FUNCTION session_owners_summary_added();

CREATE FUNCTION session_owners_summary_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE session_summaries SET owner = NEW.owner, changed_at = now() WHERE session_id = NEW.session_id;
  RETURN NULL;
END;
$$;
CREATE TRIGGER trg_session_owners_summary_changed
AFTER UPDATE OF owner ON session_owners
FOR EACH ROW EXECUTE FUNCTION session_owners_summary_changed();

CREATE FUNCTION session_owners_summary_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE session_summaries SET owner = NULL WHERE session_id = OLD.session_id;
  DELETE FROM session_summaries WHERE session_id = OLD.session_id AND files = 0 AND deleted_files = 0;
  RETURN NULL;
END;
$$;
CREATE TRIGGER trg_session_owners_summary_removed
AFTER DELETE ON session_owners
FOR EACH ROW EXECUTE FUNCTION session_owners_summary_removed();

-- From sessions to owners, and to all.
CREATE FUNCTION session_summaries_count_owner(session session_summaries, way integer) RETURNS void LANGUAGE sql AS $$
  INSERT INTO owner_usage AS u (owner, sessions, used_sessions, files, bytes, deleted_files, deleted_bytes)
  VALUES (coalesce(session.owner, ''), way, way * (session.files + session.deleted_files > 0)::int,
    way * session.files, way * session.bytes, way * session.deleted_files, way * session.deleted_bytes)
  ON CONFLICT (owner) DO UPDATE SET
    sessions = u.sessions + excluded.sessions,
    used_sessions = u.used_sessions + excluded.used_sessions,
    files = u.files + excluded.files,
    bytes = u.bytes + excluded.bytes,
    deleted_files = u.deleted_files + excluded.deleted_files,
    deleted_bytes = u.deleted_bytes + excluded.deleted_bytes;
  DELETE FROM owner_usage WHERE owner = coalesce(session.owner, '') AND sessions = 0;
$$;

CREATE FUNCTION session_summaries_count_all(session session_summaries, way integer) RETURNS void LANGUAGE sql AS $$
  UPDATE storage_summary SET
    sessions = sessions + way,
    used_sessions = used_sessions + way * (session.files + session.deleted_files > 0)::int,
    files = files + way * session.files,
    bytes = bytes + way * session.bytes,
    deleted_files = deleted_files + way * session.deleted_files,
    deleted_bytes = deleted_bytes + way * session.deleted_bytes;
$$;

CREATE FUNCTION session_summaries_usage_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM session_summaries_count_owner(NEW, 1), session_summaries_count_all(NEW, 1);
  RETURN NULL;
END;
$$;
CREATE TRIGGER trg_session_summaries_usage_added
AFTER INSERT ON session_summaries
FOR EACH ROW EXECUTE FUNCTION session_summaries_usage_added();

CREATE FUNCTION session_summaries_usage_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM session_summaries_count_owner(OLD, -1), session_summaries_count_all(OLD, -1);
  RETURN NULL;
END;
$$;
CREATE TRIGGER trg_session_summaries_usage_removed
AFTER DELETE ON session_summaries
FOR EACH ROW EXECUTE FUNCTION session_summaries_usage_removed();

CREATE FUNCTION session_summaries_usage_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  used integer := (NEW.files + NEW.deleted_files > 0)::int - (OLD.files + OLD.deleted_files > 0)::int;
BEGIN
  UPDATE owner_usage SET
    used_sessions = used_sessions + used,
    files = files + NEW.files - OLD.files,
    bytes = bytes + NEW.bytes - OLD.bytes,
    deleted_files = deleted_files + NEW.deleted_files - OLD.deleted_files,
    deleted_bytes = deleted_bytes + NEW.deleted_bytes - OLD.deleted_bytes
  WHERE owner = coalesce(NEW.owner, '');
  UPDATE storage_summary SET
    used_sessions = used_sessions + used,
    files = files + NEW.files - OLD.files,
    bytes = bytes + NEW.bytes - OLD.bytes,
    deleted_files = deleted_files + NEW.deleted_files - OLD.deleted_files,
    deleted_bytes = deleted_bytes + NEW.deleted_bytes - OLD.deleted_bytes;
  RETURN NULL;
END;
$$;
CREATE TRIGGER trg_session_summaries_usage_changed
AFTER UPDATE OF files, bytes, deleted_files, deleted_bytes ON session_summaries
FOR EACH ROW WHEN (NEW.owner IS NOT DISTINCT FROM OLD.owner)
EXECUTE FUNCTION session_summaries_usage_changed();

CREATE FUNCTION session_summaries_usage_given() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM session_summaries_count_owner(OLD, -1), session_summaries_count_owner(NEW, 1);
  RETURN NULL;
END;
$$;
CREATE TRIGGER trg_session_summaries_usage_given
AFTER UPDATE OF owner ON session_summaries
FOR EACH ROW WHEN (NEW.owner IS DISTINCT FROM OLD.owner)
EXECUTE FUNCTION session_summaries_usage_given();

ALTER TABLE file_cleanup_queue ADD COLUMN owner text;
ALTER TABLE file_expiries ADD COLUMN owner text;
ALTER TABLE ended_sessions ADD COLUMN owner text;

UPDATE file_cleanup_queue q SET owner = so.owner FROM session_owners so
WHERE so.session_id = q.session_id AND q.is_processed = 0;
UPDATE file_expiries fe SET owner = so.owner
FROM conversation_files cf JOIN session_owners so ON so.session_id = cf.session_id WHERE cf.file_id = fe.file_id;
UPDATE ended_sessions es SET owner = so.owner FROM session_owners so WHERE so.session_id = es.session_id;

CREATE INDEX idx_cleanup_queue_owner ON file_cleanup_queue (owner, is_processed, scheduled_deletion_time);
CREATE INDEX idx_cleanup_queue_session ON file_cleanup_queue (session_id, is_processed);
CREATE INDEX idx_file_expiries_owner ON file_expiries (owner, expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX idx_ended_sessions_owner ON ended_sessions (owner, expires_at) WHERE expires_at IS NOT NULL;

CREATE FUNCTION owner_of_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.owner := (SELECT owner FROM session_owners WHERE session_id = NEW.session_id);
  RETURN NEW;
END;
$$;
CREATE TRIGGER trg_cleanup_queue_owner
BEFORE INSERT ON file_cleanup_queue
FOR EACH ROW EXECUTE FUNCTION owner_of_session();
CREATE TRIGGER trg_ended_sessions_owner
BEFORE INSERT ON ended_sessions
FOR EACH ROW EXECUTE FUNCTION owner_of_session();

CREATE FUNCTION owner_of_file() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.owner := (
    SELECT so.owner FROM conversation_files cf JOIN session_owners so ON so.session_id = cf.session_id
    WHERE cf.file_id = NEW.file_id
  );
  RETURN NEW;
END;
$$;
CREATE TRIGGER trg_file_expiries_owner
BEFORE INSERT ON file_expiries
FOR EACH ROW EXECUTE FUNCTION owner_of_file();

CREATE FUNCTION session_summaries_planned_given() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE file_cleanup_queue SET owner = NEW.owner WHERE session_id = NEW.session_id AND is_processed = 0;
  UPDATE file_expiries SET owner = NEW.owner
  WHERE file_id IN (SELECT file_id FROM conversation_files WHERE session_id = NEW.session_id);
  UPDATE ended_sessions SET owner = NEW.owner WHERE session_id = NEW.session_id;
  RETURN NULL;
END;
$$;
CREATE TRIGGER trg_session_summaries_planned_given
AFTER UPDATE OF owner ON session_summaries
FOR EACH ROW WHEN (NEW.owner IS DISTINCT FROM OLD.owner)
EXECUTE FUNCTION session_summaries_planned_given();

CREATE FUNCTION conversation_files_planned_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE file_cleanup_queue SET
    session_id = NEW.session_id, owner = (SELECT owner FROM session_owners WHERE session_id = NEW.session_id)
  WHERE file_id = NEW.file_id AND is_processed = 0;
  UPDATE file_expiries SET owner = (SELECT owner FROM session_owners WHERE session_id = NEW.session_id)
  WHERE file_id = NEW.file_id;
  RETURN NULL;
END;
$$;
CREATE TRIGGER trg_conversation_files_planned_moved
AFTER UPDATE OF session_id ON conversation_files
FOR EACH ROW WHEN (NEW.session_id <> OLD.session_id)
EXECUTE FUNCTION conversation_files_planned_moved();
