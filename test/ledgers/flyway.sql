-- Written by hand on 2026-11-28 after the published definition of Flyway 10's table; the tool itself was not run.
CREATE TABLE "flyway_schema_history" (
  "installed_rank" INT NOT NULL PRIMARY KEY,
  "version" VARCHAR(50),
  "description" VARCHAR(200) NOT NULL,
  "type" VARCHAR(20) NOT NULL,
  "script" VARCHAR(1000) NOT NULL,
  "checksum" INT,
  "installed_by" VARCHAR(100) NOT NULL,
  "installed_on" TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')),
  "execution_time" INT NOT NULL,
  "success" BOOLEAN NOT NULL
);
CREATE INDEX "flyway_schema_history_s_idx" ON "flyway_schema_history" ("success");
INSERT INTO flyway_schema_history VALUES (1, '20240101120000', 'create users', 'SQL', 'V20240101120000__create_users.sql', 1, '', '2024-01-01 12:00:01.250', 3, 1);
INSERT INTO flyway_schema_history VALUES (2, '20240102120000', 'add tags', 'SQL', 'V20240102120000__add_tags.sql', 2, '', '2024-01-02 12:00:01.500', 3, 1);
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE tags (user INTEGER NOT NULL REFERENCES users(id), tag TEXT NOT NULL);
CREATE INDEX tags_by_user ON tags(user);
