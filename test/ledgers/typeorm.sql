-- Made by typeorm 1.1.1 on 2026-11-28, with better-sqlite3 or its own driver: the whole of the database.
CREATE TABLE "migrations" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "timestamp" bigint NOT NULL, "name" varchar NOT NULL);
INSERT INTO "migrations" VALUES(1,1704110400000,'CreateUsers1704110400000');
INSERT INTO "migrations" VALUES(2,1704196800000,'AddTags1704196800000');
CREATE TABLE tags (user INTEGER NOT NULL REFERENCES users(id), tag TEXT NOT NULL);
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE INDEX tags_by_user ON tags(user);
