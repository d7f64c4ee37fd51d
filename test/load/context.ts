/**
 * `npm run load:context`: how long it takes to choose context from a session of 1,000 files while files are uploaded,
 * next to the bare full-text query that it cannot do without, in turns; and how long probes take during the largest
 * budgets. Prints Markdown tables. Bounded in time.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Sqlite from "better-sqlite3"
import { percentile, probing, running, service, stopped } from "./processes.ts"

const files = Number(process.argv[2] ?? 1000)
const size = 10 * 1024
const rounds = 300
const session = "load"

let state = 7
/** Between 0 and 1, the same in each run. */
const random = (): number => {
  state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
  return state / 0x7fff_ffff
}

/** As in natural texts, a few of 20,000 words are most of a text (G. Zipf). */
const word = (): string =>
  `${[...Math.floor(20_000 ** random()).toString(26)].map((digit) => String.fromCharCode(97 + Number.parseInt(digit, 26))).join("")}en`

const text = (): string => {
  let all = ""
  while (all.length < size) all += `${word()}${random() < 0.1 ? ".\n" : " "}`
  return all
}

/** A message of twelve words, most of which are in some files. */
const message = (): string => Array.from({ length: 12 }, word).join(" ")

const posted = async (url: string, path: string, body: unknown): Promise<Record<string, unknown>> => {
  const response = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body)
  })
  if (!response.ok) throw new Error(`${path} ended with ${response.status}: ${await response.text()}`)
  return Object(await response.json())
}

const upload = (url: string, sessionId: string, name: string) =>
  posted(url, `/api/sessions/${sessionId}/texts`, { name, text: text() })

const wait = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

/** Until nothing waits for the extraction of its text. */
const extracted = async (database: Sqlite.Database) => {
  const left = database.prepare("SELECT count(*) FROM file_texts WHERE state IN ('queued', 'running')").pluck()
  while (Number(left.get()) > 0) await wait(500)
}

/** The same passages without the service: the rarest words, the best 100 by SQLite's own ranking, and their texts. */
const bareQuery = (database: Sqlite.Database) => {
  const scope = database.prepare("SELECT scope FROM text_scopes WHERE session_id = ?").pluck().get(session)
  const count = database.prepare("SELECT count(*) FROM passage_terms WHERE passage_terms MATCH ?").pluck()
  const best = database.prepare(`SELECT p.text FROM (
    SELECT rowid AS id FROM passage_terms WHERE passage_terms MATCH ? ORDER BY rank LIMIT 100
  ) found JOIN passages p ON p.passage_id = found.id`)
  const all = Number(database.prepare("SELECT passages FROM text_scopes WHERE scope = ?").pluck().get(scope))
  return (asked: string) => {
    const terms = [...new Set(asked.split(" "))].map((term) => `"${String(scope)}x${term}"`)
    const counted = terms.map((term) => ({ term, count: Number(count.get(term)) })).filter(({ count }) => count > 0)
    const telling = counted.filter(({ count }) => count * 2 <= all)
    return best.all((telling.length > 0 ? telling : counted).map(({ term }) => term).join(" OR "))
  }
}

const line = (name: string, took: ReadonlyArray<number>) =>
  console.log(
    `| ${name} | ${took.length} | ${percentile(took, 0.5).toFixed(1)} | ${percentile(took, 0.95).toFixed(1)} | ${Math.max(...took).toFixed(1)} |`
  )

const timed = async (work: () => unknown): Promise<number> => {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

const folder = mkdtempSync(join(tmpdir(), "conversation-files-context-"))
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL")
  rmSync(folder, { recursive: true, force: true })
})

const server = await service(folder)
const path = `/api/sessions/${session}/context`
for (let at = 0; at < files; at += 1) await upload(server.url, session, `${at}.txt`)
const database = new Sqlite(join(folder, "conversation_files.db"), { readonly: true })
await extracted(database)

console.log("\n| milliseconds | times | median | p95 | longest |\n| --- | ---: | ---: | ---: | ---: |")
let goesOn = true
const uploading = (async () => {
  for (let at = 0; goesOn; at += 1) await upload(server.url, "other", `${at}.txt`)
})()
const query = bareQuery(database)
const took = { bare: [] as Array<number>, context: [] as Array<number> }
const during = await probing(server.url)
for (let round = 0; round < rounds; round += 1) {
  const asked = message()
  took.bare.push(await timed(() => query(asked)))
  took.context.push(await timed(() => posted(server.url, path, { message: asked, budget: 4000 })))
}
line("the bare full-text query", took.bare)
line("context within 4,000 tokens, while files are uploaded", took.context)
line("`/livez` meanwhile", await during())
goesOn = false
await uploading
await extracted(database)

for (const policy of ["diverse", "whole"]) {
  const large = await probing(server.url)
  const times: Array<number> = []
  for (let round = 0; round < 10; round += 1) {
    times.push(await timed(() => posted(server.url, path, { message: message(), budget: 200_000, policy })))
  }
  line(`context within 200,000 tokens, \`${policy}\``, times)
  line("`/livez` meanwhile", await large())
}
database.close()
await stopped(server)
process.exit(0)
