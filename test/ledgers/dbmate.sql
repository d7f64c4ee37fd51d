-- Made by dbmate 2.36.0 on 2026-11-28: the whole of the database.
CREATE TABLE "schema_migrations" (version varchar(128) primary key);
INSERT INTO "schema_migrations" VALUES('20240101120000');
INSERT INTO "schema_migrations" VALUES('20240102120000');
CREATE TABLE tags (user INTEGER NOT NULL REFERENCES users(id), tag TEXT NOT NULL);
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE INDEX tags_by_user ON tags(user);
