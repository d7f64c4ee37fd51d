-- Written by hand on 2026-11-28 after the published definition of PocketBase 0.2x's table; the tool itself was not run.
CREATE TABLE `_migrations` (file VARCHAR(255) PRIMARY KEY NOT NULL, applied INTEGER NOT NULL);
INSERT INTO _migrations VALUES ('1704110400_create_users.js', 1704110401000000);
INSERT INTO _migrations VALUES ('1704196800_add_tags.js', 1704196801000000);
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE tags (user INTEGER NOT NULL REFERENCES users(id), tag TEXT NOT NULL);
CREATE INDEX tags_by_user ON tags(user);
