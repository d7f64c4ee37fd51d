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
  [
    "layers/start/codeRemedy.ts",
    "layers/machine/monotonic.ts",
    "layers/start/policy.ts",
    "layers/start/Refusal.ts",
    "layers/sqlite/seams.ts"
  ],
  [
    "layers/sqlite/codeReason.ts",
    "layers/sqlite/DatabasePath.ts",
    "layers/sqlite/FileLocks.ts",
    "layers/machine/FilePermissions.ts",
    "layers/sqlite/Likeness.ts",
    "layers/start/LockError.ts",
    "layers/machine/MountTable.ts",
    "layers/sqlite/NewPage.ts",
    "layers/machine/OpenFiles.ts"
  ],
  ["layers/sqlite/ClientConnection.ts"],
  ["layers/sqlite/Transactions.ts"],
  ["layers/sqlite/Client.ts"],
  ["layers/sqlite/DatabaseConfig.ts", "layers/sqlite/PageCheck/SqliteBeside.ts"],
  ["layers/sqlite/Initialization.ts", "layers/sqlite/WalLook.ts"],
  ["layers/sqlite/LeftoverWal.ts"],
  ["layers/sqlite/DatabaseDirectory.ts"],
  ["layers/sqlite/SqliteConnection.ts"],
  ["layers/sqlite/VerifiedPragmas.ts", "layers/sqlite/BackupNames.ts"],
  ["layers/sqlite/Backup.ts"],
  ["layers/schema/SqlScript.ts"],
  ["layers/schema/Declaration.ts"],
  [
    "layers/start/CauseDetail.ts",
    "layers/schema/Checksum.ts",
    "layers/sqlite/AppliedMigrations/CopyTime.ts",
    "layers/sqlite/AppliedMigrations/Cures.ts",
    "layers/schema/Halves.ts",
    "layers/schema/MigrationFiles.ts",
    "layers/schema/StatementRules.ts"
  ],
  ["layers/start/MigrationSource.ts"],
  [
    "layers/sqlite/AppliedMigrations/MigrationHistory.ts",
    "layers/sqlite/AppliedMigrations/MigrationRun.ts",
    "layers/sqlite/AppliedMigrations/Transaction.ts"
  ],
  ["layers/sqlite/AppliedMigrations/SchemaFingerprint.ts"],
  [
    "layers/sqlite/AppliedMigrations/CompiledSchema.ts",
    "layers/sqlite/AppliedMigrations/DatabaseLook.ts",
    "layers/sqlite/AppliedMigrations/RowGuard.ts"
  ],
  ["layers/sqlite/IntegrityError.ts"],
  ["layers/sqlite/AppliedMigrations/SchemaProof.ts"],
  ["layers/sqlite/PageCheck.ts"],
  ["layers/sqlite/Restore.ts", "layers/sqlite/WriteError.ts", "layers/sqlite/WriteGate.ts"],
  ["layers/sqlite/WriteTransaction.ts"],
  ["layers/sqlite/AppliedMigrations/Upgrade.ts"],
  ["layers/sqlite/AppliedMigrations/Trial.ts"],
  ["layers/sqlite/AppliedMigrations.ts"],
  ["layers/sqlite/CheckedIntegrity.ts"],
  ["layers/sqlite/DatabaseReady.ts"],
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
