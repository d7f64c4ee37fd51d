/** The table of the history. */

export const historyTable = "schema_migrations"
