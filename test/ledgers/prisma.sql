-- Made by Prisma 6.19.3 (its schema engine in WebAssembly) on 2026-11-28, one migration failed, rolled back and applied: the whole of the database, the log of the failure shortened.
CREATE TABLE "_prisma_migrations" (
    "id"                    TEXT PRIMARY KEY NOT NULL,
    "checksum"              TEXT NOT NULL,
    "finished_at"           DATETIME,
    "migration_name"        TEXT NOT NULL,
    "logs"                  TEXT,
    "rolled_back_at"        DATETIME,
    "started_at"            DATETIME NOT NULL DEFAULT current_timestamp,
    "applied_steps_count"   INTEGER UNSIGNED NOT NULL DEFAULT 0
);
INSERT INTO "_prisma_migrations" VALUES('006a19f5-7d33-4042-9aec-ad7e9397fab8','f202577af96fe5ff413f6456e176f80eb994ac7d349d89f8707fa32f79cef931','2026-11-28T19:31:39.481+00:00','20240101120000_create_users',NULL,NULL,'2026-11-28T19:31:39.456+00:00',1);
INSERT INTO "_prisma_migrations" VALUES('1e5290ce-174f-4bca-a998-bcc6d497c78f','db10bc1af1a376c34cdb665f4c1384b5a354e37265bfcfa961342ac67cd765f0',NULL,'20240102120000_add_tags','External error id#0
','2026-11-28T19:31:43.329+00:00','2026-11-28T19:31:39.485+00:00',0);
INSERT INTO "_prisma_migrations" VALUES('c4a56eb8-fe52-41f6-87b7-d97356d601be','88629b07c85472852e7676c26508d2c0779a16faf4f8f039a16655ad687ece2d','2026-11-28T19:31:47.292+00:00','20240102120000_add_tags',NULL,NULL,'2026-11-28T19:31:47.180+00:00',1);
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE tags (user INTEGER NOT NULL REFERENCES users(id), tag TEXT NOT NULL);
CREATE INDEX tags_by_user ON tags(user);
