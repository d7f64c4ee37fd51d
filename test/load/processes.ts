/** The processes that are put under load, and how long their probes take meanwhile. */
import { type ChildProcess, spawn } from "node:child_process"
import { Agent, get } from "node:http"
import { join } from "node:path"

export const root = join(import.meta.dirname, "../../..")

export interface Server {
  readonly process: ChildProcess
  readonly url: string
}

export const running = new Set<ChildProcess>()

/** Waits until a process prints its address, or fails with what it printed before. */
export const started = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>,
  line: RegExp
): Promise<Server> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { env: { PATH: process.env["PATH"], ...env } })
    running.add(child)
    let said = ""
    const hear = (text: Buffer) => {
      said += text
      const [, url] = line.exec(said) ?? []
      if (url !== undefined) resolve({ process: child, url })
    }
    child.stdout.on("data", hear)
    child.stderr.on("data", hear)
    child.once("close", (code) => {
      running.delete(child)
      reject(new Error(`ended with ${code}: ${said}`))
    })
  })

export const stopped = ({ process: child }: Server): Promise<void> =>
  new Promise((resolve) => {
    child.once("close", () => resolve())
    child.kill("SIGTERM")
  })

export const ready = /serving {2}(http:\/\/\S+)/
export const listening = /Listening on (http:\/\/[^"\s]+)/

export const service = (data: string, env: Readonly<Record<string, string>> = {}, line = ready): Promise<Server> =>
  started(
    [join(root, "src/service/dist/conversation-files.cjs")],
    {
      DATA_DIRECTORY: data,
      PORT: "0",
      REQUESTS_PER_SECOND: "1000000",
      CONCURRENT_REQUESTS: "1000",
      ...env
    },
    line
  )

export const percentile = (values: ReadonlyArray<number>, share: number): number =>
  [...values].sort((one, other) => one - other)[Math.min(values.length - 1, Math.floor(values.length * share))] ??
  Number.NaN

/**
 * Sends probes one after the other on one connection until stopped, with so many ms in between: gives the ms of each.
 * Without a pause they are a load of their own.
 */
export const probing = (url: string, pause = 0) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const took: Array<number> = []
  let goesOn = true
  const once = () =>
    new Promise<void>((resolve, reject) => {
      const begun = performance.now()
      get(`${url}/livez`, { agent }, (response) => {
        response.resume().once("end", () => {
          took.push(performance.now() - begun)
          resolve()
        })
      }).once("error", reject)
    })
  const all = (async () => {
    while (goesOn) {
      await once()
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause))
    }
    agent.destroy()
  })()
  return async () => {
    goesOn = false
    await all
    return took
  }
}
