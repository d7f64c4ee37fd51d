/** The processes that are put under load, and how long their probes take meanwhile. */
import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import { text } from "node:stream/consumers"

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
 * Sends a probe every 10 ms from a process of its own, until stopped: gives the ms of each. In this process a probe would
 * also wait for what this process does.
 */
export const probing = (url: string): Promise<() => Promise<ReadonlyArray<number>>> =>
  new Promise((resolve, reject) => {
    const prober = spawn(process.execPath, [join(root, "test/support/prober.mjs"), `${url}/livez`], {
      stdio: ["pipe", "pipe", "inherit"]
    })
    running.add(prober)
    prober.once("error", reject)
    prober.stdout.once("data", () => {
      const said = text(prober.stdout)
      resolve(async () => {
        prober.stdin.end()
        const { failures, probes }: Seen = JSON.parse(await said)
        running.delete(prober)
        if (failures.length > 0) throw new Error(failures.join(", "))
        return probes.map(({ waited }) => waited)
      })
    })
  })

interface Seen {
  readonly probes: ReadonlyArray<{ readonly waited: number }>
  readonly failures: ReadonlyArray<string>
}
