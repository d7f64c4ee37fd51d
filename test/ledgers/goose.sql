-- Written by hand on 2026-11-28 after the published definition of goose 3's table; the tool itself was not run.
CREATE TABLE goose_db_version (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  version_id INTEGER NOT NULL,
  is_applied INTEGER NOT NULL,
  tstamp TIMESTAMP DEFAULT (datetime('now'))
);
INSERT INTO goose_db_version VALUES (1, 0, 1, '2024-01-01 12:00:00');
INSERT INTO goose_db_version VALUES (2, 20240101120000, 1, '2024-01-01 12:00:01');
INSERT INTO goose_db_version VALUES (3, 20240102120000, 1, '2024-01-02 12:00:01');
INSERT INTO goose_db_version VALUES (4, 20240102120000, 0, '2024-01-02 12:00:02');
INSERT INTO goose_db_version VALUES (5, 20240102120000, 1, '2024-01-02 12:00:03');
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE tags (user INTEGER NOT NULL REFERENCES users(id), tag TEXT NOT NULL);
CREATE INDEX tags_by_user ON tags(user);
