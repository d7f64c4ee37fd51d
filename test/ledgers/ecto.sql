-- Written by hand on 2026-11-28 after the published definition of Ecto 3's table; the tool itself was not run.
CREATE TABLE "schema_migrations" ("version" INTEGER PRIMARY KEY, "inserted_at" TEXT);
INSERT INTO schema_migrations VALUES (20240101120000, '2024-01-01T12:00:01');
INSERT INTO schema_migrations VALUES (20240102120000, '2024-01-02T12:00:01');
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE tags (user INTEGER NOT NULL REFERENCES users(id), tag TEXT NOT NULL);
CREATE INDEX tags_by_user ON tags(user);
