-- Made by Django 5.2.17 on 2026-11-28, two models of one application: the whole of the database.
CREATE TABLE "app_tag" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "tag" text NOT NULL, "user_id" bigint NOT NULL REFERENCES "app_user" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "app_user" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" text NOT NULL);
CREATE TABLE "django_migrations" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "app" varchar(255) NOT NULL, "name" varchar(255) NOT NULL, "applied" datetime NOT NULL);
INSERT INTO "django_migrations" VALUES(1,'app','0001_initial','2026-11-28 03:04:59.280187');
INSERT INTO "django_migrations" VALUES(2,'app','0002_tag','2026-11-28 03:04:59.289247');
CREATE INDEX "app_tag_user_id_3eb7ac2a" ON "app_tag" ("user_id");
