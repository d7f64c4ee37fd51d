/** A socket as systemd has it: a real `systemd-notify` tells it, and Python reads, because Node.js has none of that kind. */
import { spawn, spawnSync } from "node:child_process"
import { join } from "node:path"
import { createInterface } from "node:readline"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { temporaryFolder } from "./database.ts"

const missing = ["systemd-notify", "python3"].find((program) => spawnSync(program, ["--version"]).status !== 0)

/** Why there can be none on this machine, or undefined. */
export const unavailable = missing === undefined ? undefined : `there is no ${missing}`

/** Closes the descriptors that it gets: `systemd-notify` waits for that. */
const receiver = `
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True:
    data, ancillary, flags, address = s.recvmsg(65536, socket.CMSG_SPACE(64))
    for level, kind, content in ancillary:
        if kind == socket.SCM_RIGHTS:
            for fd in array.array("i", content): os.close(fd)
    print(data.decode().replace("\\n", " | "), flush=True)
`

/** What it hears, until the scope closes. */
export const listening = Effect.gen(function* () {
  const socket = join(yield* temporaryFolder, "notify")
  const heard: Array<string> = []
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn("python3", ["-c", receiver, socket], { stdio: ["ignore", "pipe", "inherit"] })),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  createInterface(child.stdout).on("line", (line) => {
    if (!line.startsWith("BARRIER")) heard.push(line)
  })
  const until = (wanted: RegExp) =>
    Effect.repeat(Effect.sleep("20 millis"), { until: () => heard.some((line) => wanted.test(line)) })
  yield* until(/bound/)
  heard.length = 0
  const environment = (more: Readonly<Record<string, string>> = {}) =>
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries({ NOTIFY_SOCKET: socket, ...more }))))
  return { environment, heard, socket, until }
})
