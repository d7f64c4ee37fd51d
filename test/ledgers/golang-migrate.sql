-- Written by hand on 2026-11-28 after the published definition of golang-migrate 4's table; the tool itself was not run.
CREATE TABLE schema_migrations (version uint64, dirty bool);
CREATE UNIQUE INDEX version_unique ON schema_migrations (version);
INSERT INTO schema_migrations VALUES (20240102120000, 0);
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE tags (user INTEGER NOT NULL REFERENCES users(id), tag TEXT NOT NULL);
CREATE INDEX tags_by_user ON tags(user);
