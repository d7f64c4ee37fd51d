-- database-ready: compatible_from = 001
--
-- Experiments: which way of choosing passages helps more. Only adds, so that programs which know 001 alone may run on it.

-- One runs at a time. `seed` decides with the id of a session which policy that has.
CREATE TABLE experiments (
  experiment_id INTEGER PRIMARY KEY,
  name          TEXT NOT NULL UNIQUE,
  seed          TEXT NOT NULL,
  starts_at     TIMESTAMP NOT NULL,
  ends_at       TIMESTAMP NOT NULL,
  created_by    TEXT NOT NULL,
  CHECK (starts_at <= ends_at)
);

CREATE INDEX idx_experiments_ends_at ON experiments(ends_at);

-- In the order of `position`, from 0; the others are compared with the first. Triggers count: sessions that have the
-- policy, those of them that count because an answer was reported, those whose first answer was helpful, and passages.
CREATE TABLE experiment_policies (
  experiment_id INTEGER NOT NULL,
  position      INTEGER NOT NULL,
  policy        TEXT NOT NULL,
  share         INTEGER NOT NULL,
  sessions      INTEGER NOT NULL DEFAULT 0,
  counted       INTEGER NOT NULL DEFAULT 0,
  helpful       INTEGER NOT NULL DEFAULT 0,
  passages_used    INTEGER NOT NULL DEFAULT 0,
  passages_helpful INTEGER NOT NULL DEFAULT 0,
  passages_ignored INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (experiment_id, position),
  FOREIGN KEY (experiment_id) REFERENCES experiments(experiment_id) ON DELETE CASCADE
) WITHOUT ROWID;

-- Sessions that were given a context by their policy.
CREATE TABLE experiment_sessions (
  experiment_id INTEGER NOT NULL,
  session_id    TEXT NOT NULL,
  position      INTEGER NOT NULL,
  assigned_at   TIMESTAMP NOT NULL,
  PRIMARY KEY (experiment_id, session_id),
  FOREIGN KEY (experiment_id, position) REFERENCES experiment_policies(experiment_id, position) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE INDEX idx_experiment_sessions_policy ON experiment_sessions(experiment_id, position);

-- What was reported of an answer. `outcomes` is JSON; kept when the files go. One answer of each session counts.
CREATE TABLE experiment_answers (
  experiment_id INTEGER NOT NULL,
  session_id    TEXT NOT NULL,
  answer_id     TEXT NOT NULL,
  is_counted    INTEGER NOT NULL,
  used          INTEGER NOT NULL,
  helpful       INTEGER NOT NULL,
  ignored       INTEGER NOT NULL,
  outcomes      TEXT NOT NULL,
  reported_at   TIMESTAMP NOT NULL,
  reported_by   TEXT NOT NULL,
  PRIMARY KEY (experiment_id, session_id, answer_id),
  FOREIGN KEY (experiment_id, session_id) REFERENCES experiment_sessions(experiment_id, session_id) ON DELETE CASCADE,
  CHECK (is_counted IN (0, 1))
) WITHOUT ROWID;

CREATE TRIGGER trg_experiment_sessions_counted
AFTER INSERT ON experiment_sessions
BEGIN
  UPDATE experiment_policies SET sessions = sessions + 1
  WHERE experiment_id = NEW.experiment_id AND position = NEW.position;
END;

CREATE TRIGGER trg_experiment_answers_counted
AFTER INSERT ON experiment_answers
BEGIN
  UPDATE experiment_policies SET
    counted = counted + NEW.is_counted,
    helpful = helpful + (NEW.is_counted AND NEW.helpful > 0),
    passages_used = passages_used + NEW.used,
    passages_helpful = passages_helpful + NEW.helpful,
    passages_ignored = passages_ignored + NEW.ignored
  WHERE experiment_id = NEW.experiment_id AND position = (
    SELECT position FROM experiment_sessions
    WHERE experiment_id = NEW.experiment_id AND session_id = NEW.session_id
  );
END;
