-- Written by hand on 2026-11-28 after the published definition of Rails 7's table; the tool itself was not run.
CREATE TABLE "schema_migrations" ("version" varchar NOT NULL PRIMARY KEY);
CREATE TABLE "ar_internal_metadata" ("key" varchar NOT NULL PRIMARY KEY, "value" varchar, "created_at" datetime(6) NOT NULL, "updated_at" datetime(6) NOT NULL);
INSERT INTO schema_migrations VALUES ('20240101120000');
INSERT INTO schema_migrations VALUES ('20240102120000');
INSERT INTO ar_internal_metadata VALUES ('environment', 'production', '2024-01-01 12:00:00.000000', '2024-01-01 12:00:00.000000');
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE tags (user INTEGER NOT NULL REFERENCES users(id), tag TEXT NOT NULL);
CREATE INDEX tags_by_user ON tags(user);
