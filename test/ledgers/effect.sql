-- Made by @effect/sql 0.52.1 on 2026-11-28, with better-sqlite3 or its own driver: the whole of the database.
CREATE TABLE "effect_sql_migrations" (
  migration_id integer PRIMARY KEY NOT NULL,
  created_at datetime NOT NULL DEFAULT current_timestamp,
  name VARCHAR(255) NOT NULL
);
INSERT INTO "effect_sql_migrations" VALUES(1,'2026-11-28 03:04:56','create_users');
INSERT INTO "effect_sql_migrations" VALUES(2,'2026-11-28 03:04:56','add_tags');
CREATE TABLE tags (user INTEGER NOT NULL REFERENCES users(id), tag TEXT NOT NULL);
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE INDEX tags_by_user ON tags(user);
