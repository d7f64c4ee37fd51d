-- database-ready: compatible_from = 001
--
-- The text of files, to find it again. Triggers queue every file for the extraction of its text, in the transaction of
-- its upload, and remove what was found in it when it is changed, moved or deleted. Only adds, so that programs which
-- know 001 alone may run on it. They extract nothing, but leave nothing behind that is not there any more.

-- One row per file that is not deleted. `claim` is that of the process which extracts it now, until `claimed_until`.
CREATE TABLE file_texts (
  file_id       TEXT PRIMARY KEY,
  state         TEXT NOT NULL DEFAULT 'queued',
  reason        TEXT,
  passages      INTEGER NOT NULL DEFAULT 0,
  is_truncated  INTEGER NOT NULL DEFAULT 0,
  attempts      INTEGER NOT NULL DEFAULT 0,
  claim         TEXT,
  claimed_until TIMESTAMP,
  FOREIGN KEY (file_id) REFERENCES conversation_files(file_id) ON DELETE CASCADE,
  CHECK (state IN ('queued', 'running', 'done', 'unsupported', 'failed'))
);

-- What waits, in the order in which it was queued, and what was begun and not finished.
CREATE INDEX idx_file_texts_queued ON file_texts(state) WHERE state = 'queued';
CREATE INDEX idx_file_texts_claimed ON file_texts(claimed_until) WHERE claimed_until IS NOT NULL;

-- A number for each session that has passages, and what its passages have. Every term in the index begins with the
-- number of its session, so a search reads what is in one session, and nothing about the files of others can be told
-- from its scores.
CREATE TABLE text_scopes (
  scope      INTEGER PRIMARY KEY,
  session_id TEXT NOT NULL UNIQUE,
  passages   INTEGER NOT NULL,
  terms      INTEGER NOT NULL
);

CREATE TABLE passages (
  passage_id INTEGER PRIMARY KEY,
  file_id    TEXT NOT NULL,
  ordinal    INTEGER NOT NULL,
  scope      INTEGER NOT NULL,
  text       TEXT NOT NULL,
  tokens     INTEGER NOT NULL,
  terms      INTEGER NOT NULL,
  line       INTEGER NOT NULL,
  end_line   INTEGER NOT NULL,
  page       INTEGER,
  UNIQUE (file_id, ordinal),
  FOREIGN KEY (file_id) REFERENCES file_texts(file_id) ON DELETE CASCADE
);

-- The terms of each passage, by its id. The service makes them; SQLite only finds them.
CREATE VIRTUAL TABLE passage_terms USING fts5 (terms, content = '', contentless_delete = 1, tokenize = 'ascii');

CREATE TRIGGER trg_passages_removed
AFTER DELETE ON passages
BEGIN
  DELETE FROM passage_terms WHERE rowid = OLD.passage_id;
  UPDATE text_scopes SET passages = passages - 1, terms = terms - OLD.terms WHERE scope = OLD.scope;
  DELETE FROM text_scopes WHERE scope = OLD.scope AND passages = 0;
END;

INSERT INTO file_texts (file_id) SELECT file_id FROM conversation_files WHERE is_deleted IS NOT 1 ORDER BY uploaded_at;

CREATE TRIGGER trg_conversation_files_text_added
AFTER INSERT ON conversation_files
WHEN NEW.is_deleted IS NOT 1
BEGIN
  INSERT INTO file_texts (file_id) VALUES (NEW.file_id);
END;

-- Whoever extracts it now loses the claim with the row. Earlier programs may not have foreign keys on.
CREATE TRIGGER trg_conversation_files_text_changed
AFTER UPDATE OF file_hash, session_id, is_deleted ON conversation_files
WHEN NEW.file_hash <> OLD.file_hash OR NEW.session_id <> OLD.session_id OR NEW.is_deleted IS NOT OLD.is_deleted
BEGIN
  DELETE FROM passages WHERE file_id = NEW.file_id;
  DELETE FROM file_texts WHERE file_id = NEW.file_id;
  INSERT INTO file_texts (file_id) SELECT NEW.file_id WHERE NEW.is_deleted IS NOT 1;
END;
