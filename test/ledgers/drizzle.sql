-- Made by drizzle-kit 0.31.11 and drizzle-orm 0.45.4 on 2026-11-28, with better-sqlite3 or its own driver: the whole of the database.
CREATE TABLE "__drizzle_migrations" (
				id SERIAL PRIMARY KEY,
				hash text NOT NULL,
				created_at numeric
			);
INSERT INTO "__drizzle_migrations" VALUES(NULL,'300145a8ca1e88ba6823b0516f1567bf7a43b46cf3641b0ffede3828d5ff3771',1795834065220);
INSERT INTO "__drizzle_migrations" VALUES(NULL,'3b2174ec1beb65f96f824686d0161d5bfc49b6be5cbe9c50d42f0c564f9f87a6',1795834066277);
CREATE TABLE `tags` (
	`user` integer NOT NULL,
	`tag` text NOT NULL,
	FOREIGN KEY (`user`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE no action
);
CREATE TABLE `users` (
	`id` integer PRIMARY KEY NOT NULL,
	`name` text NOT NULL
);
CREATE INDEX `tags_by_user` ON `tags` (`user`);
