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
import * as conversationFiles from "../src/service/migrations.ts"
import { migrationFiles } from "./support/database.ts"

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
    expectTypeOf<Needs<typeof DatabaseReady.fromRooms>>().toEqualTypeOf<
      | Start
      | MigrationSource
      | DatabaseDirectory
      | SqliteConnection
      | VerifiedPragmas
      | AppliedMigrations
      | CheckedIntegrity
    >()
    expectTypeOf<Needs<typeof DatabaseReady.pipeline>>().toEqualTypeOf<
      Start | MigrationSource | FileSystem.FileSystem | Path.Path
    >()
  })

  it("cannot be changed: a room without the evidence of the one before it does not compile", () => {
    const whole = <A, E>(layer: Layer.Layer<A, E, Start | FileSystem.FileSystem | Path.Path | MigrationSource>) => layer
    whole(DatabaseReady.pipeline)
    // @ts-expect-error nothing verified the pragmas
    // @effect-diagnostics-next-line missingLayerContext:off
    whole(AppliedMigrations.layer)
    // @ts-expect-error nothing applied the migrations
    // @effect-diagnostics-next-line missingLayerContext:off
    whole(CheckedIntegrity.layer)
    // @ts-expect-error no room has passed
    // @effect-diagnostics-next-line missingLayerContext:off
    whole(DatabaseReady.fromRooms)
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

const linesOf = (file: string) => readFileSync(join(root, file), "utf8").trimEnd().split("\n").length

const importsEffect = (file: string) => /from "(effect|@effect)\//.test(readFileSync(join(root, file), "utf8"))

/** Plain code of the rooms: values in, values out. It grows room by room. */
const plain = [
  "layers/machine/MountTable.ts",
  "layers/start/historyComparison.ts",
  ...["FilePragmas", "migrationPragmas", "pragmas"].map((name) => `layers/sqlite/${name}.ts`),
  ...[
    "Complaint",
    "CompiledSchema",
    "DatabaseLook",
    "ExtensionsInUse",
    "HistoryJudgement",
    "HistoryRecords",
    "MigrationHistory",
    "RepeatableJudgement",
    "SchemaFingerprint",
    "SchemaJudgement"
  ].map((name) => `layers/sqlite/AppliedMigrations/${name}.ts`)
]

/** Later ones may import earlier ones; `layers` itself has the entry points. */
const folders = [
  "layers/machine",
  "layers/schema",
  "layers/start",
  "layers/postgres",
  "layers/sqlite",
  "layers/operate",
  "layers"
]
const rankOf = (file: string) => folders.findIndex((folder) => file.startsWith(`${folder}/`))
const arrows = new Map(sourcesIn("layers").map((file) => [file, importsOf(file)]))

/** All files that one file imports, directly or through others. */
const reachedFrom = (file: string): ReadonlySet<string> => {
  const reached = new Set(arrows.get(file))
  for (const target of reached) for (const next of arrows.get(target) ?? []) reached.add(next)
  return reached
}

describe("the arrows between the files", () => {
  it("point one way between the folders of the library: a later one imports earlier ones", () => {
    const backwards = [...arrows].flatMap(([file, targets]) =>
      targets
        .filter((target) => rankOf(target) < 0 || rankOf(target) > rankOf(file))
        .map((target) => `${file} -> ${target}`)
    )
    assert.deepStrictEqual(backwards, [])
  })

  it("never lead from what is SQLite's to what is PostgreSQL's, and from no other door to it", () => {
    const isPostgres = (file: string) => file.startsWith("layers/postgres")
    assert.deepStrictEqual(
      [...arrows.keys()].filter((file) => !isPostgres(file) && [...reachedFrom(file)].some(isPostgres)),
      []
    )
  })

  it("never lead back to where they come from", () => {
    assert.deepStrictEqual(
      [...arrows.keys()].filter((file) => reachedFrom(file).has(file)),
      []
    )
  })

  it("lead to Effect only from code that waits, fails over time or has a lifetime: SQL text is plain code", () => {
    assert.deepStrictEqual(sourcesIn("layers/schema").filter(importsEffect), [])
  })

  it("lead to Effect from no room that is plain already: only its edge, and what waits, is Effect", () => {
    const rooms = plain.flatMap((room) => (room.endsWith(".ts") ? [room] : sourcesIn(room)))
    assert.deepStrictEqual(rooms.filter(importsEffect), [])
  })

  it("lead from the programs to the library through its doors, and to the migrations", () => {
    const others = sourcesIn("src").flatMap((file) =>
      importsOf(file).filter(
        (target) => !/^(src|migrations)\/|^layers\/(index|http|operate|postgres)\.ts$|^package\.json$/.test(target)
      )
    )
    assert.deepStrictEqual(others, [])
  })
})

describe("the files", () => {
  const sizes = ["layers", "src"].flatMap(sourcesIn).map((file) => ({ file, lines: linesOf(file) }))

  it("say one thing: none has more than 250 lines, and half of them fewer than 120", () => {
    assert.deepStrictEqual(
      sizes.filter(({ lines }) => lines > 250),
      []
    )
    assert.isAtLeast(sizes.filter(({ lines }) => lines < 120).length, sizes.length / 2)
  })
})

describe("the migrations built into the program", () => {
  it("are all the files in migrations/", () => {
    assert.deepStrictEqual(Object.keys(conversationFiles.files), migrationFiles)
  })
})
