import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import type * as Layer from "effect/Layer"
import {
  AppliedMigrations,
  CheckedIntegrity,
  type DatabaseConfig,
  type DatabaseDirectory,
  DatabaseReady,
  type Initialization,
  type MigrationSource,
  type SqliteConnection,
  type VerifiedPragmas
} from "../layers/index.ts"
import * as conversationFiles from "../src/conversationFiles.ts"

type Needs<L> = L extends Layer.Layer<infer _A, infer _E, infer R> ? R : never
type Start = DatabaseConfig | Initialization

describe("the order of the rooms", () => {
  it("is written in the types: each room asks for the evidence of the one before", () => {
    expectTypeOf<Needs<typeof DatabaseDirectory.layer>>().toEqualTypeOf<Start | FileSystem.FileSystem | Path.Path>()
    expectTypeOf<Needs<typeof SqliteConnection.layer>>().toEqualTypeOf<Start | DatabaseDirectory>()
    expectTypeOf<Needs<typeof VerifiedPragmas.layer>>().toEqualTypeOf<Start | SqliteConnection>()
    expectTypeOf<Needs<typeof AppliedMigrations.layer>>().toEqualTypeOf<
      Start | MigrationSource | SqliteConnection | VerifiedPragmas | FileSystem.FileSystem | Path.Path
    >()
    expectTypeOf<Needs<typeof CheckedIntegrity.layer>>().toEqualTypeOf<
      Start | SqliteConnection | AppliedMigrations | FileSystem.FileSystem
    >()
    expectTypeOf<Needs<typeof DatabaseReady.pipeline>>().toEqualTypeOf<
      Start | MigrationSource | FileSystem.FileSystem | Path.Path
    >()
  })

  it("cannot be changed: a room without the evidence of the one before it is not a whole program", () => {
    const whole = <A, E>(layer: Layer.Layer<A, E, Start | FileSystem.FileSystem | Path.Path | MigrationSource>) => layer
    whole(DatabaseReady.pipeline)
    // @ts-expect-error nothing verified the pragmas
    // @effect-diagnostics-next-line missingLayerContext:off
    whole(AppliedMigrations.layer)
    // @ts-expect-error nothing applied the migrations
    // @effect-diagnostics-next-line missingLayerContext:off
    whole(CheckedIntegrity.layer)
  })
})

const root = resolve(import.meta.dirname, "..")

const sourcesIn = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))
    .map((name) => join(folder, name))

/** What a file imports from this project, as paths from the root. */
const importsOf = (file: string) =>
  [...readFileSync(join(root, file), "utf8").matchAll(/^(?:import|export)\b[^"]*?from "(\.[^"]+)"/gms)].map(
    ([, target]) => relative(root, resolve(root, dirname(file), target ?? ""))
  )

/** Later ones may import earlier ones. A folder is a part of the room whose name it has. */
const rooms = [
  ["layers/codeRemedy.ts", "layers/monotonic.ts", "layers/policy.ts", "layers/Refusal.ts", "layers/seams.ts"],
  [
    "layers/codeReason.ts",
    "layers/DatabasePath.ts",
    "layers/FileLocks.ts",
    "layers/FilePermissions.ts",
    "layers/Likeness.ts",
    "layers/LockError.ts",
    "layers/MountTable.ts",
    "layers/NewPage.ts",
    "layers/OpenFiles.ts"
  ],
  ["layers/ClientConnection.ts"],
  ["layers/Transactions.ts"],
  ["layers/Client.ts"],
  ["layers/DatabaseConfig.ts", "layers/PageCheck/SqliteBeside.ts"],
  ["layers/Initialization.ts", "layers/WalLook.ts"],
  ["layers/LeftoverWal.ts"],
  ["layers/DatabaseDirectory.ts"],
  ["layers/SqliteConnection.ts"],
  ["layers/VerifiedPragmas.ts", "layers/BackupNames.ts"],
  ["layers/Backup.ts"],
  ["layers/AppliedMigrations/SqlScript.ts"],
  ["layers/AppliedMigrations/Declaration.ts"],
  [
    "layers/AppliedMigrations/CauseDetail.ts",
    "layers/AppliedMigrations/Checksum.ts",
    "layers/AppliedMigrations/CopyTime.ts",
    "layers/AppliedMigrations/Cures.ts",
    "layers/AppliedMigrations/Halves.ts",
    "layers/AppliedMigrations/MigrationFiles.ts",
    "layers/AppliedMigrations/StatementRules.ts"
  ],
  ["layers/AppliedMigrations/MigrationSource.ts"],
  [
    "layers/AppliedMigrations/MigrationHistory.ts",
    "layers/AppliedMigrations/MigrationRun.ts",
    "layers/AppliedMigrations/Transaction.ts"
  ],
  ["layers/AppliedMigrations/SchemaFingerprint.ts"],
  [
    "layers/AppliedMigrations/CompiledSchema.ts",
    "layers/AppliedMigrations/DatabaseLook.ts",
    "layers/AppliedMigrations/RowGuard.ts"
  ],
  ["layers/IntegrityError.ts"],
  ["layers/AppliedMigrations/SchemaProof.ts"],
  ["layers/PageCheck.ts"],
  ["layers/Restore.ts", "layers/WriteError.ts", "layers/WriteGate.ts"],
  ["layers/WriteTransaction.ts"],
  ["layers/AppliedMigrations/Upgrade.ts"],
  ["layers/AppliedMigrations/Trial.ts"],
  ["layers/AppliedMigrations.ts"],
  ["layers/CheckedIntegrity.ts"],
  ["layers/DatabaseReady.ts"],
  ["layers/index.ts", "layers/testing.ts"]
]
const rankOf = (file: string) => rooms.findIndex((rank) => rank.includes(file))

describe("the arrows between the files", () => {
  it("have a place for every file of the library", () => {
    assert.deepStrictEqual(
      sourcesIn("layers").filter((file) => rankOf(file) < 0),
      []
    )
  })

  it("point one way inside the library: a room imports only rooms before it", () => {
    const backwards = sourcesIn("layers").flatMap((file) =>
      importsOf(file)
        .filter((target) => !target.startsWith("layers/") || rankOf(target) >= rankOf(file))
        .map((target) => `${file} -> ${target}`)
    )
    assert.deepStrictEqual(backwards, [])
  })

  it("lead from the programs to the library through its one door, and to the migrations", () => {
    const others = sourcesIn("src").flatMap((file) =>
      importsOf(file).filter((target) => !/^(src|migrations)\/|^layers\/index\.ts$|^package\.json$/.test(target))
    )
    assert.deepStrictEqual(others, [])
  })
})

describe("the migrations that the program carries", () => {
  it("are the files in migrations/, each of them", () => {
    assert.deepStrictEqual(Object.keys(conversationFiles.files), readdirSync(join(root, "migrations")).sort())
  })
})
