-- Written by hand on 2026-11-28 after the published definition of Diesel 2's table; the tool itself was not run.
CREATE TABLE __diesel_schema_migrations (
  version VARCHAR(50) PRIMARY KEY NOT NULL,
  run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO __diesel_schema_migrations VALUES ('20240101120000', '2024-01-01 12:00:01');
INSERT INTO __diesel_schema_migrations VALUES ('20240102120000', '2024-01-02 12:00:01');
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE tags (user INTEGER NOT NULL REFERENCES users(id), tag TEXT NOT NULL);
CREATE INDEX tags_by_user ON tags(user);
