/**
 * Six hosts on one machine: each has its own network, name, processes and mounts. All of it hangs on one process that
 * reads from a pipe. When the test run ends or is killed, the pipe closes, that process ends, and the kernel takes
 * everything in its namespaces away: nothing has a name on the machine.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import * as Effect from "effect/Effect"
import { type Ended, type Running, spawnCommand } from "../support/program.ts"

/** By what they are for: in the system that this service comes from, Redis and the database are one machine. */
export const hostNames = ["backend", "frontend", "npu", "database", "ai", "browser"] as const
export type HostName = (typeof hostNames)[number]

export const addressOf = (name: HostName): string => `10.77.0.${11 + hostNames.indexOf(name)}`

/** A user namespace of their own gives the rights for all that, and none on the machine itself. */
const namespaces = ["--user", "--map-root-user", "--net", "--mount", "--pid", "--ipc", "--fork"]

const host = `
hostname "$1"
read -r pid rest < /proc/self/stat
mkdir -p "/mnt/$1"
: > "/mnt/$1/up"
ip link set lo up
until ip link set eth0 up 2>/dev/null; do sleep 0.01; done
ip addr add "$2/24" dev eth0
echo "$1 $pid"
# Who is first among processes takes in those whose parents ended.
while :; do sleep 1000 & wait $!; done
`

/** `/proc` is the machine's: there a process reads which id it has outside. */
const lan = `
set -e
mount -t tmpfs none /mnt
mount -t tmpfs none /dev/shm
printf '127.0.0.1 localhost\\n${hostNames.map((name) => `${addressOf(name)} ${name}\\n`).join("")}' > /mnt/hosts
mount --bind /mnt/hosts /etc/hosts
ip link add lan type bridge
ip link set lan up
read -r pid rest < /proc/self/stat
echo "lan $pid"
${hostNames
  .map(
    (name) => `
unshare --net --uts --pid --ipc --mount --fork sh -c "$HOST" sh ${name} ${addressOf(name)} &
until [ -e /mnt/${name}/up ]; do sleep 0.01; done
ip link add v-${name} type veth peer name eth0 netns $!
ip link set v-${name} master lan up`
  )
  .join("\n")}
read -r end || true
`

/** What makes them: the program and its arguments. Its input has to be a pipe. */
const making = ["unshare", [...namespaces, "sh", "-c", lan]] as const

/** Why there can be no hosts on this machine, or undefined. */
export const noHosts: string | undefined = (() => {
  const probe =
    "mount -t tmpfs none /mnt && ip link add lan type bridge && ip link add va type veth peer name vb && hostname x"
  const tried = spawnSync("unshare", [...namespaces, "--uts", "sh", "-c", probe], { encoding: "utf8" })
  if (tried.error !== undefined) return tried.error.message
  return tried.status === 0
    ? undefined
    : `no namespaces: ${tried.stderr.trim() || `unshare ended with ${tried.status}`}`
})()

export interface Network {
  /** Runs a program of Node.js in a folder on a host. It goes with the host. */
  readonly spawnOn: (name: HostName, cwd: string, ...args: ReadonlyArray<string>) => Running
  /** Runs any program on a host, with an environment besides PATH. It goes with the host. */
  readonly startOn: (name: HostName, env: Environment, command: string, ...args: ReadonlyArray<string>) => Running
  /** Sends a signal to a program on a host, and resolves when it has ended. */
  readonly end: (running: Pick<Running, "ended" | "process">, signal: NodeJS.Signals) => Promise<Ended>
  /** Runs a program on a host to its end. Throws with what it said if it fails. */
  readonly runOn: (name: HostName, command: string, ...args: ReadonlyArray<string>) => string
  /** The same where the hosts' cables come together. */
  readonly runOnLan: (command: string, ...args: ReadonlyArray<string>) => string
  /** Pulls the cable: no packet passes any more, and nobody is told. */
  readonly pullCable: (name: HostName) => void
  readonly plugIn: (name: HostName) => void
  /** Ends every process of a host at once. With its cable pulled before, nobody hears of it. */
  readonly powerOff: (name: HostName) => void
  /** Gives a host the address of another one that is gone. */
  readonly takeOver: (name: HostName, from: HostName) => void
  /** A path of the hosts' memory, as this machine sees it: it is shared by all of them and gone with them. */
  readonly pathOf: (path: string) => string
}

type Environment = Readonly<Record<string, string>>

/** The six hosts, connected. They are gone with the scope. */
export const sixHosts = Effect.map(
  Effect.acquireRelease(
    Effect.promise(() => started()),
    ({ child }) =>
      Effect.promise(() => {
        const ended = new Promise<void>((resolve) => child.once("close", () => resolve()))
        child.stdin?.end()
        return ended
      })
  ),
  ({ pids }): Network => {
    const pidOf = (name: string) => {
      const pid = pids.get(name)
      if (pid === undefined) throw new Error(`there is no host ${name}`)
      return `${pid}`
    }
    const entering = (name: string, kinds: ReadonlyArray<string>) => [
      "--target",
      pidOf(name),
      "--user",
      "--preserve-credentials",
      "--net",
      "--mount",
      ...kinds
    ]
    const onHost = (name: HostName) => entering(name, ["--uts", "--pid", "--ipc"])
    const run = (args: ReadonlyArray<string>) => execFileSync("nsenter", args, { encoding: "utf8", cwd: "/" })
    const enter: Network["startOn"] = (name, env, ...command) =>
      spawnCommand("nsenter", [...onHost(name), ...command], { cwd: "/", env, input: "pipe" })
    const runOn: Network["runOn"] = (name, command, ...args) => run([...onHost(name), command, ...args])
    const runOnLan: Network["runOnLan"] = (command, ...args) => run([...entering("lan", []), command, ...args])
    return {
      // The mounts are those of the host, so the folder is chosen once they are entered.
      spawnOn: (name, cwd, ...args) =>
        enter(name, {}, "sh", "-c", 'cd "$0" && exec "$@"', cwd, process.execPath, ...args),
      startOn: enter,
      end: ({ ended, process: { exitCode, pid, signalCode } }, signal) => {
        // The program is the child of the one that entered the host, which passes no signal on but ends like its child.
        if (exitCode === null && signalCode === null)
          process.kill(Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")) || Number(pid), signal)
        return ended
      },
      runOn,
      runOnLan,
      pullCable: (name) => void runOnLan("ip", "link", "set", `v-${name}`, "nomaster"),
      plugIn: (name) => void runOnLan("ip", "link", "set", `v-${name}`, "master", "lan"),
      powerOff: (name) => void process.kill(Number(pidOf(name)), "SIGKILL"),
      takeOver: (name, from) => {
        runOn(name, "ip", "addr", "add", `${addressOf(from)}/24`, "dev", "eth0")
        // What does this otherwise is a gratuitous ARP, which tells the others.
        for (const other of hostNames) if (other !== from) runOn(other, "ip", "neigh", "flush", "dev", "eth0")
      },
      pathOf: (path) => `/proc/${pidOf("lan")}/root/mnt/${path}`
    }
  }
)

type Started = { readonly child: ChildProcess; readonly pids: ReadonlyMap<string, number> }

/** Resolves when all are there. */
const startedBy = (command: string, args: ReadonlyArray<string>) =>
  new Promise<Started>((resolve, reject) => {
    const child = spawn(command, args, {
      env: { PATH: process.env["PATH"], HOST: host },
      stdio: ["pipe", "pipe", "pipe"]
    })
    let said = ""
    child.stderr.on("data", (text) => {
      said += text
    })
    const pids = new Map<string, number>()
    createInterface(child.stdout).on("line", (line) => {
      const [name = "", pid] = line.split(" ")
      pids.set(name, Number(pid))
      if (pids.size > hostNames.length) resolve({ child, pids })
    })
    child.once("error", reject)
    child.once("close", (code) => reject(new Error(`the hosts ended with ${code}: ${said}`)))
  })

const started = () => startedBy(...making)

/** Hosts of another process, as those of a test run, and how to kill that one alone. */
export const killedRun = Effect.acquireRelease(
  Effect.promise(() => {
    const script = `require("node:child_process").spawn(...${JSON.stringify(making)}, { stdio: ["pipe", "inherit", "inherit"] })`
    return startedBy(process.execPath, ["--eval", script])
  }),
  ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
).pipe(Effect.map(({ child, pids }) => ({ kill: () => child.kill("SIGKILL"), pids: [...pids.values()] })))
