/** Where a program's migrations come from: the door's `Migrations`. */
export {
  all,
  type EffectBody,
  fromDirectory,
  fromLoader,
  fromRecord,
  type Migration,
  type Migrations,
  type ReadOptions,
  type SqlText
} from "./MigrationSource.ts"
