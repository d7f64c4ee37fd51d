-- database-ready: compatible_from = 001
--
-- As migrations/008_give_sessions_in_steps.sql.

ALTER TABLE file_expiries ADD COLUMN session_id text;

UPDATE file_expiries fe SET session_id = cf.session_id FROM conversation_files cf WHERE cf.file_id = fe.file_id;

CREATE INDEX idx_file_expiries_session ON file_expiries (session_id, owner);

DROP INDEX idx_cleanup_queue_session;
CREATE INDEX idx_cleanup_queue_session ON file_cleanup_queue (session_id, is_processed, owner);

CREATE OR REPLACE FUNCTION owner_of_file() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  SELECT cf.session_id, so.owner INTO NEW.session_id, NEW.owner FROM conversation_files cf
  LEFT JOIN session_owners so ON so.session_id = cf.session_id WHERE cf.file_id = NEW.file_id;
  RETURN NEW;
END;
$$;

CREATE OR REPLACE FUNCTION session_summaries_planned_given() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE file_cleanup_queue SET owner = NEW.owner
  WHERE session_id = NEW.session_id AND is_processed = 0 AND owner IS NOT DISTINCT FROM OLD.owner;
  UPDATE file_expiries SET owner = NEW.owner
  WHERE session_id = NEW.session_id AND owner IS NOT DISTINCT FROM OLD.owner;
  UPDATE ended_sessions SET owner = NEW.owner WHERE session_id = NEW.session_id;
  RETURN NULL;
END;
$$;

CREATE OR REPLACE FUNCTION conversation_files_planned_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE file_cleanup_queue SET
    session_id = NEW.session_id, owner = (SELECT owner FROM session_owners WHERE session_id = NEW.session_id)
  WHERE file_id = NEW.file_id AND is_processed = 0;
  UPDATE file_expiries SET
    session_id = NEW.session_id, owner = (SELECT owner FROM session_owners WHERE session_id = NEW.session_id)
  WHERE file_id = NEW.file_id;
  RETURN NULL;
END;
$$;
