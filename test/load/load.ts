/**
 * `npm run load`: the service under load next to the floor, in one run on one machine, in turns; how long the probes
 * take meanwhile; and whether memory stays flat. Prints Markdown tables. Bounded in time.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import autocannon from "autocannon"
import Sqlite from "better-sqlite3"
import {
  listening,
  percentile,
  probing,
  ready,
  root,
  running,
  type Server,
  service,
  started,
  stopped
} from "./processes.ts"

const rounds = Number(process.argv[2] ?? 5)
/** Rounds that are not counted: in its first seconds V8 has not yet compiled what runs often. */
const warming = 2
const seconds = 3
const connections = 16
const session = "/api/sessions/load/files"

const floor = (data: string): Promise<Server> => started([join(import.meta.dirname, "floor.js"), data], {}, ready)

const boundary = "----load"

/** A body with new content each time: equal contents would be stored once. */
const multipart = (size: number): Buffer =>
  Buffer.concat([
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="load.bin"\r\nContent-Type: application/octet-stream\r\n\r\n`
    ),
    randomBytes(size),
    Buffer.from(`\r\n--${boundary}--\r\n`)
  ])

const headers = { "content-type": `multipart/form-data; boundary=${boundary}` }

const uploaded = async (url: string, size: number): Promise<string> => {
  const response = await fetch(`${url}${session}`, { method: "POST", headers, body: multipart(size) })
  if (response.status !== 201) throw new Error(`an upload ended with ${response.status}: ${await response.text()}`)
  const [, fileId = ""] = /"fileId":"([^"]+)"/.exec(await response.text()) ?? []
  return fileId
}

const median = (values: ReadonlyArray<number>): number =>
  [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN

interface Kind {
  readonly name: string
  readonly request: (fileId: string) => autocannon.Request
}

const small = 64 * 1024
const kinds: ReadonlyArray<Kind> = [
  {
    name: "uploads of 64 KiB",
    request: () => ({
      method: "POST",
      path: session,
      headers,
      setupRequest: (request) => ({ ...request, body: multipart(small) })
    })
  },
  { name: "downloads of 64 KiB", request: (fileId) => ({ path: `/api/files/${fileId}/download` }) },
  { name: "lists of 50 files", request: () => ({ path: session }) },
  { name: "health", request: () => ({ path: "/api/health" }) }
]

/** Requests per second and the 99th percentile of a round, in ms. An unexpected answer ends the run. */
const round = async (url: string, request: autocannon.Request) => {
  const result = await autocannon({ url, connections, duration: seconds, requests: [request] })
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${result.non2xx} answers were not 2xx, ${result.errors} requests failed`)
  }
  return { perSecond: result.requests.average, p99: result.latency.p99 }
}

const sideBySide = async (folder: string) => {
  const servers = { ours: await service(join(folder, "ours")), floor: await floor(join(folder, "floor")) }
  const files = {
    ours: await uploaded(servers.ours.url, small),
    floor: await uploaded(servers.floor.url, small)
  }
  for (let count = 0; count < 60; count += 1) {
    await uploaded(servers.ours.url, 1024)
    await uploaded(servers.floor.url, 1024)
  }
  console.log(
    `\n| ${connections} connections | service /s | p99 ms | floor /s | p99 ms | service / floor |\n|---|---|---|---|---|---|`
  )
  for (const { name, request } of kinds) {
    const seen = { ours: [] as Awaited<ReturnType<typeof round>>[], floor: [] as Awaited<ReturnType<typeof round>>[] }
    for (let count = -warming; count < rounds; count += 1) {
      for (const who of ["floor", "ours"] as const) {
        const one = await round(servers[who].url, request(files[who]))
        if (count >= 0) seen[who].push(one)
      }
    }
    const per = (who: "ours" | "floor") => median(seen[who].map(({ perSecond }) => perSecond))
    const p99 = (who: "ours" | "floor") => median(seen[who].map((one) => one.p99))
    console.log(
      `| ${name} | ${per("ours").toFixed(0)} | ${p99("ours")} | ${per("floor").toFixed(0)} | ${p99("floor")} | ${(per("ours") / per("floor")).toFixed(2)} |`
    )
  }
  await stopped(servers.ours)
  await stopped(servers.floor)
}

const probeLine = (name: string, took: ReadonlyArray<number>) =>
  console.log(
    `| ${name} | ${took.length} | ${percentile(took, 0.5).toFixed(2)} | ${percentile(took, 0.99).toFixed(2)} | ${Math.max(...took).toFixed(1)} |`
  )

/** The load comes from another process, so that only the service is measured. */
const elsewhere = (script: string, ...args: ReadonlyArray<string>): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", script, ...args], {
      stdio: ["ignore", "ignore", "inherit"]
    })
    child.once("close", (code) => (code === 0 ? resolve() : reject(new Error(`a client ended with ${code}`))))
  })

const uploadMuch = `
import { randomBytes } from "node:crypto"
const [url, size, count] = process.argv.slice(1)
for (let index = 0; index < Number(count); index += 1) {
  const form = new FormData()
  form.append("file", new Blob([randomBytes(Number(size))]), "load.bin")
  const response = await fetch(url, { method: "POST", body: form })
  if (response.status !== 201) throw new Error(String(response.status))
  await response.arrayBuffer()
}`

/** A database of the first version, with rows: the next start makes a backup and migrates. */
const olderDatabase = (data: string): string => {
  const file = join(data, "conversation_files.db")
  const first = join(data, "migrations")
  mkdirSync(first)
  cpSync(join(root, "migrations/001_create_conversation_files.sql"), join(first, "001_create_conversation_files.sql"))
  const args = [join(root, "dist/database-ready.cjs"), "init", "--database", file, "--migrations", first]
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" })
  if (status !== 0) throw new Error(`init ended with ${status}: ${stderr}`)
  const connection = new Sqlite(file)
  connection.exec(`
    INSERT INTO conversation_files (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash)
    VALUES ('f', 's', 'a', 'a', 'a', 0, 'h');
    WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 200000)
    INSERT INTO file_metadata (file_id, metadata_key, metadata_value) SELECT 'f', x, hex(randomblob(500)) FROM n`)
  connection.close()
  return file
}

const probes = async (folder: string) => {
  console.log("\n| `/livez` | probes | median ms | p99 ms | longest ms |\n|---|---|---|---|---|")
  const idle = await service(join(folder, "probes"))
  const quiet = await probing(idle.url)
  await new Promise((resolve) => setTimeout(resolve, 2000))
  probeLine("with nothing else to do", await quiet())
  const during = await probing(idle.url)
  await elsewhere(uploadMuch, `${idle.url}${session}`, String(50 * 1024 * 1024), "4")
  probeLine("during four uploads of 50 MiB, one after the other", await during())
  await stopped(idle)

  const rival = new Sqlite(olderDatabase(join(folder, "older")))
  rival.exec("BEGIN IMMEDIATE")
  const waiting = await service(join(folder, "older"), { DATABASE_INTEGRITY: "quick" }, listening)
  const initializing = await probing(waiting.url)
  await new Promise((resolve) => setTimeout(resolve, 2000))
  rival.exec("ROLLBACK")
  rival.close()
  await serving(waiting.process)
  probeLine(
    "during an initialization: 2 s behind a lock, a backup of 220 MB, a migration, a look at every page",
    await initializing()
  )
  await stopped(waiting)
}

const serving = (child: ChildProcess): Promise<void> =>
  new Promise((resolve, reject) => {
    child.stdout?.on("data", (text: Buffer) => {
      if (ready.test(String(text))) resolve()
    })
    child.once("close", (code) => reject(new Error(`ended with ${code} before it was ready`)))
  })

const residentMegabytes = ({ process: child }: Server): number => {
  const [, kilobytes = "NaN"] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8")) ?? []
  return Number(kilobytes) / 1024
}

const memory = async (folder: string) => {
  const server = await service(join(folder, "memory"))
  const upload = (count: number) => elsewhere(uploadMuch, `${server.url}${session}`, String(1024 * 1024), String(count))
  console.log("\n| files of 1 MiB uploaded | resident MB |\n|---|---|")
  for (let done = 0; done <= 2000; done += 250) {
    console.log(`| ${done} | ${residentMegabytes(server).toFixed(0)} |`)
    if (done < 2000) await upload(250)
  }
  await stopped(server)
}

const folder = mkdtempSync(join(tmpdir(), "conversation-files-load-"))
for (const name of ["ours", "floor", "probes", "older", "memory"]) mkdirSync(join(folder, name))
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL")
  rmSync(folder, { recursive: true, force: true })
})
await sideBySide(folder)
await probes(folder)
await memory(folder)
process.exit(0)
