/**
 * For those who look after databases: plans, rehearsals, checks, backups, repairs, takeovers. The program's commands are
 * these functions with a command line around them.
 *
 * @packageDocumentation
 */
export { type NewMigration, type NewMigrationOptions, newMigration } from "./operate/newMigration.ts"
export { MigrationFilesError } from "./start/MigrationFilesError.ts"
