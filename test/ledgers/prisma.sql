-- Written by hand on 2026-11-28 after the published definition of Prisma 6's table; the tool itself was not run.
CREATE TABLE "_prisma_migrations" (
  "id" TEXT PRIMARY KEY NOT NULL,
  "checksum" TEXT NOT NULL,
  "finished_at" DATETIME,
  "migration_name" TEXT NOT NULL,
  "logs" TEXT,
  "rolled_back_at" DATETIME,
  "started_at" DATETIME NOT NULL DEFAULT current_timestamp,
  "applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0
);
INSERT INTO _prisma_migrations VALUES ('a', '00', 1704110401000, '20240101120000_create_users', NULL, NULL, 1704110400000, 1);
INSERT INTO _prisma_migrations VALUES ('b', '01', NULL, '20240102120000_add_tags', 'near "TABEL"', 1704196900000, 1704196800000, 0);
INSERT INTO _prisma_migrations VALUES ('c', '02', 1704197001000, '20240102120000_add_tags', NULL, NULL, 1704197000000, 1);
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE tags (user INTEGER NOT NULL REFERENCES users(id), tag TEXT NOT NULL);
CREATE INDEX tags_by_user ON tags(user);
