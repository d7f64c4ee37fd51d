-- database-ready: compatible_from = 001
--
-- As migrations/009_count_terms.sql.

ALTER TABLE passages ADD COLUMN term_counts bytea;

-- The ending of a name, or the whole name of a file without one. Letters of ASCII alone count as equal, as in SQLite.
CREATE FUNCTION ending_of(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT lower(regexp_replace(name, '^.*\.', '') COLLATE "C");
$$;

CREATE FUNCTION conversation_files_text_renamed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE file_texts SET state = 'queued', reason = NULL, attempts = 0, claim = NULL, claimed_until = NULL
  WHERE file_id = NEW.file_id;
  RETURN NULL;
END;
$$;
CREATE TRIGGER trg_conversation_files_text_renamed
AFTER UPDATE OF original_filename, mime_type ON conversation_files
FOR EACH ROW WHEN (NEW.mime_type IS DISTINCT FROM OLD.mime_type
  OR (strpos(NEW.original_filename, '.') > 0) <> (strpos(OLD.original_filename, '.') > 0)
  OR ending_of(NEW.original_filename) <> ending_of(OLD.original_filename))
EXECUTE FUNCTION conversation_files_text_renamed();
