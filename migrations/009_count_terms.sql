-- database-ready: compatible_from = 001
--
-- Only adds, so that programs which know 001 alone may run on it.

-- How often a passage has each of its terms; the service knows the form. NULL in a passage that was extracted before, or
-- by an earlier program: then the service counts again in the text, which is slower.
ALTER TABLE passages ADD COLUMN term_counts BLOB;

-- The type and the ending of the name, or the whole name of a file without one, decide how a file is read. So its text
-- is extracted again, and whoever extracts it now loses the claim. What was found before stays until then.
CREATE TRIGGER trg_conversation_files_text_renamed
AFTER UPDATE OF original_filename, mime_type ON conversation_files
WHEN NEW.mime_type IS NOT OLD.mime_type
  OR (instr(NEW.original_filename, '.') > 0) <> (instr(OLD.original_filename, '.') > 0)
  OR lower(replace(NEW.original_filename,
      rtrim(NEW.original_filename, replace(NEW.original_filename, '.', '')), ''))
    <> lower(replace(OLD.original_filename,
      rtrim(OLD.original_filename, replace(OLD.original_filename, '.', '')), ''))
BEGIN
  UPDATE file_texts SET state = 'queued', reason = NULL, attempts = 0, claim = NULL, claimed_until = NULL
  WHERE file_id = NEW.file_id;
END;
