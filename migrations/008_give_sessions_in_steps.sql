-- database-ready: compatible_from = 001
--
-- Planned deletions follow their session to its next owner. Those that were given to it in steps are not changed again.

ALTER TABLE file_expiries ADD COLUMN session_id TEXT;

UPDATE file_expiries SET session_id = (
  SELECT session_id FROM conversation_files cf WHERE cf.file_id = file_expiries.file_id
);

CREATE INDEX idx_file_expiries_session ON file_expiries(session_id, owner);

DROP INDEX idx_cleanup_queue_session;
CREATE INDEX idx_cleanup_queue_session ON file_cleanup_queue(session_id, is_processed, owner);

DROP TRIGGER trg_file_expiries_owner;
CREATE TRIGGER trg_file_expiries_owner
AFTER INSERT ON file_expiries
BEGIN
  UPDATE file_expiries SET (session_id, owner) = (
    SELECT session_id, owner FROM conversation_files LEFT JOIN session_owners USING (session_id)
    WHERE file_id = NEW.file_id
  ) WHERE file_id = NEW.file_id;
END;

DROP TRIGGER trg_session_summaries_planned_given;
CREATE TRIGGER trg_session_summaries_planned_given
AFTER UPDATE OF owner ON session_summaries
WHEN NEW.owner IS NOT OLD.owner
BEGIN
  UPDATE file_cleanup_queue SET owner = NEW.owner
  WHERE session_id = NEW.session_id AND is_processed = 0 AND owner IS OLD.owner;
  UPDATE file_expiries SET owner = NEW.owner WHERE session_id = NEW.session_id AND owner IS OLD.owner;
  UPDATE ended_sessions SET owner = NEW.owner WHERE session_id = NEW.session_id;
END;

DROP TRIGGER trg_conversation_files_planned_moved;
CREATE TRIGGER trg_conversation_files_planned_moved
AFTER UPDATE OF session_id ON conversation_files
WHEN NEW.session_id <> OLD.session_id
BEGIN
  UPDATE file_cleanup_queue SET
    session_id = NEW.session_id, owner = (SELECT owner FROM session_owners WHERE session_id = NEW.session_id)
  WHERE file_id = NEW.file_id AND is_processed = 0;
  UPDATE file_expiries SET (session_id, owner) =
    (NEW.session_id, (SELECT owner FROM session_owners WHERE session_id = NEW.session_id))
  WHERE file_id = NEW.file_id;
END;
