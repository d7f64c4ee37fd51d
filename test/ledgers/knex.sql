-- Made by knex 3.3.0 on 2026-11-28, with better-sqlite3 or its own driver: the whole of the database.
CREATE TABLE `knex_migrations` (`id` integer not null primary key autoincrement, `name` varchar(255), `batch` integer, `migration_time` datetime);
INSERT INTO "knex_migrations" VALUES(1,'20240101120000_create_users.js',1,1795834063006);
INSERT INTO "knex_migrations" VALUES(2,'20240102120000_add_tags.js',1,1795834063007);
CREATE TABLE `knex_migrations_lock` (`index` integer not null primary key autoincrement, `is_locked` integer);
INSERT INTO "knex_migrations_lock" VALUES(1,0);
CREATE TABLE tags (user INTEGER NOT NULL REFERENCES users(id), tag TEXT NOT NULL);
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE INDEX tags_by_user ON tags(user);
