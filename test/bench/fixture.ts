/** One set of migrations on the disk, in the form that each subject reads. */
import { readdirSync } from "node:fs"
import { join } from "node:path"

export interface Fixture {
  readonly folder: string
  readonly count: number
  /** Folders, one per form. */
  readonly sql: string
  readonly effect: string
  readonly effectSubmodules: string
  readonly drizzle: string
  readonly kysely: string
  readonly knex: string
  readonly dbmate: string
}

export const conversationFiles = "conversation-files"

export const fixtureIn = (folder: string): Fixture => {
  const sql = join(folder, "sql")
  return {
    folder,
    count: readdirSync(sql).length,
    sql,
    effect: join(folder, "effect"),
    effectSubmodules: join(folder, "effect-submodules"),
    drizzle: join(folder, "drizzle"),
    kysely: join(folder, "kysely"),
    knex: join(folder, "knex"),
    dbmate: join(folder, "dbmate")
  }
}
