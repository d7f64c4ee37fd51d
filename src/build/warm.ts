/**
 * Part of the build: runs each bundle once, as it will be run, and keeps what V8 compiled for it. Called with a
 * bundle's name it is that run.
 */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { text } from "node:stream/consumers"
import { bundle } from "./bundle.ts"

const warm = (name: string): void => {
  // The program finds its arguments where it always does.
  process.argv.splice(2, 1)
  const { cacheFile, compile, run } = bundle(name)
  const script = compile()
  process.once("exit", () => writeFileSync(cacheFile, script.createCachedData()))
  run(script)
}

const warmAll = async (): Promise<void> => {
  const folder = mkdtempSync(join(__dirname, "warm-"))
  try {
    execFileSync(process.execPath, [
      __filename,
      "direct",
      "init",
      "--database",
      join(folder, "app.db"),
      "--migrations",
      join(__dirname, "../migrations")
    ])
    execFileSync(process.execPath, [__filename, "program", "--help"])
    await warmService(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Up, asked what it is asked most, and down again. */
const warmService = async (folder: string): Promise<void> => {
  const service = spawn(process.execPath, [__filename, "service"], {
    env: { PATH: process.env["PATH"], PORT: "0", DATA_DIRECTORY: join(folder, "data") },
    stdio: ["ignore", "pipe", "pipe"]
  })
  const ended = once(service, "close")
  const logged = text(service.stderr)
  for await (const line of createInterface(service.stdout)) {
    const [, address] = /^serving +(\S+)$/.exec(line) ?? []
    if (address === undefined) continue
    const form = new FormData()
    form.append("file", new Blob(["warm"]), "warm.txt")
    await answered(fetch(`${address}/readyz`))
    await answered(fetch(`${address}/`))
    await answered(fetch(`${address}/api/sessions/warm/files`, { method: "POST", body: form }))
    await answered(fetch(`${address}/api/sessions/warm/files`))
    service.kill()
  }
  const [code] = await ended
  if (code !== 0) throw new Error(`the service ended with ${code}: ${await logged}`)
}

const answered = async (request: Promise<Response>): Promise<void> => {
  const { ok, status, url } = await request
  if (!ok) throw new Error(`${url} answered ${status}`)
}

const [, , name] = process.argv
if (name !== undefined) warm(name)
else {
  warmAll().catch((thrown) => {
    console.error(thrown)
    process.exitCode = 1
  })
}
