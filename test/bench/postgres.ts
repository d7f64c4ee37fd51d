/**
 * A warm start on PostgreSQL beside the same by hand with `pg`: connect, make the settings and read them back, read the
 * history, read the catalog and hash it. Then both as whole programs. They take turns, on the server of the tests with
 * the service's schema.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { Migrations } from "../../layers/index.ts"
import { DatabaseReady } from "../../layers/postgres.ts"
import { makeServer, stopServer } from "../postgres/cluster.ts"
import { byHand, directory } from "./postgresByHand.ts"
import { summaryOf } from "./table.ts"

const rounds = Number(process.argv[2] ?? 60)
const files = Object.fromEntries(
  readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), "utf8")])
)

const ready = async (socket: string) => {
  const scope = Effect.runSync(Scope.make())
  const url = urlOn(socket)
  await Effect.runPromise(
    Layer.buildWithScope(DatabaseReady.layer({ url, migrations: Migrations.fromRecord(files) }), scope)
  )
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}

const urlOn = (socket: string) => `postgres://owner@/postgres?host=${encodeURIComponent(socket)}`

/** A program, to its end. */
const whole =
  (...args: ReadonlyArray<string>) =>
  async () => {
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" })
    if (status !== 0) throw new Error(`${args.join(" ")} ended with ${status}: ${stderr}`)
    return () => Promise.resolve()
  }

/** Two that take turns: the first of both is not counted. */
const compare = async (
  what: string,
  times: number,
  subjects: Readonly<Record<"byHand" | "ready", () => Promise<() => Promise<unknown>>>>
) => {
  const took = { byHand: [] as number[], ready: [] as number[] }
  for (let round = 0; round < times + 5; round += 1) {
    for (const name of ["byHand", "ready"] as const) {
      const began = performance.now()
      const close = await subjects[name]()
      if (round >= 5) took[name].push(performance.now() - began)
      await close()
    }
  }
  const [floor, ours] = [summaryOf(took.byHand), summaryOf(took.ready)]
  const shown = ({ high, low, median }: typeof floor) =>
    `${median.toFixed(1)} ms (${low.toFixed(1)} to ${high.toFixed(1)})`
  console.log(
    `${what}: by hand ${shown(floor)}, database-ready ${shown(ours)}: ${(ours.median / floor.median).toFixed(2)}x`
  )
}

const folder = mkdtempSync(join(tmpdir(), "pg-bench-"))
try {
  makeServer(folder)
  await (await ready(folder))()
  await compare("in a warm process", rounds, { byHand: () => byHand(folder), ready: () => ready(folder) })
  await compare("whole program", Math.ceil(rounds / 3), {
    byHand: whole(join(import.meta.dirname, "postgresFloor.js"), folder),
    ready: whole("dist/database-ready.cjs", "init", "--database", urlOn(folder), "--migrations", directory)
  })
} finally {
  stopServer(folder)
  rmSync(folder, { recursive: true })
}
