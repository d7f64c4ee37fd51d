/** Where a program's migrations come from: the door's `Migrations`. */
export { type EffectFacts, type EffectMigrations, fromEffect } from "./MigrationEffect.ts"
export { fromLoader } from "./MigrationLoader.ts"
export {
  all,
  type EffectBody,
  type Migration,
  type Migrations,
  type OrderedMigrations,
  type SqlText
} from "./MigrationSource.ts"
export { fromDirectory, fromRecord, type ReadOptions } from "./MigrationTexts.ts"
