-- Made by kysely 0.28.19 on 2026-11-28, with better-sqlite3 or its own driver: the whole of the database.
CREATE TABLE "kysely_migration" ("name" varchar(255) not null primary key, "timestamp" varchar(255) not null);
INSERT INTO "kysely_migration" VALUES('001_create_users','2026-11-28T02:47:43.401Z');
INSERT INTO "kysely_migration" VALUES('002_add_tags','2026-11-28T02:47:43.411Z');
CREATE TABLE "kysely_migration_lock" ("id" varchar(255) not null primary key, "is_locked" integer default 0 not null);
INSERT INTO "kysely_migration_lock" VALUES('migration_lock',0);
CREATE TABLE tags (user INTEGER NOT NULL REFERENCES users(id), tag TEXT NOT NULL);
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE INDEX tags_by_user ON tags(user);
