-- Written by hand on 2026-11-28 after the published definition of sqlx 0.8's table; the tool itself was not run.
CREATE TABLE _sqlx_migrations (
  version BIGINT PRIMARY KEY,
  description TEXT NOT NULL,
  installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  success BOOLEAN NOT NULL,
  checksum BLOB NOT NULL,
  execution_time BIGINT NOT NULL
);
INSERT INTO _sqlx_migrations VALUES (20240101120000, 'create users', '2024-01-01 12:00:01', 1, x'00', 1200);
INSERT INTO _sqlx_migrations VALUES (20240102120000, 'add tags', '2024-01-02 12:00:01', 1, x'01', 900);
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE tags (user INTEGER NOT NULL REFERENCES users(id), tag TEXT NOT NULL);
CREATE INDEX tags_by_user ON tags(user);
