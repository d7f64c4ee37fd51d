/**
 * The Dockerfile, the manifests and the units of the operations page, tried as far as one machine can: their commands
 * run in a root directory of their own, with what `COPY` puts there, as the user that they name.
 */
import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process"
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import type { Readable } from "node:stream"
import { text } from "node:stream/consumers"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { temporaryFolder } from "../support/database.ts"
import { type Fence, readDocument, root } from "../support/documents.ts"

const page = readDocument("src/program/README.md")

const fenceOf = (language: string, about: string): Fence => {
  const found = page.fences.find((fence) => fence.language === language && fence.text.includes(about))
  if (found === undefined) throw new Error(`The page has no ${language} about ${about}`)
  return found
}

const matched = (text: string, pattern: RegExp): string => {
  const [, found] = pattern.exec(text) ?? []
  if (found === undefined) throw new Error(`There is no ${pattern} in ${text}`)
  return found
}

/** The words of `command: [a, b]` of a manifest, or of `CMD ["a", "b"]`. */
const wordsOf = (list: string): ReadonlyArray<string> =>
  list.startsWith('"') ? JSON.parse(`[${list}]`) : list.split(",").map((word) => word.trim())
const commandOf = ({ text }: Fence): ReadonlyArray<string> => wordsOf(matched(text, /command: \[(.*)\]/))

const { stderr, status } = spawnSync("unshare", ["--mount", "--net", "ip", "link", "set", "lo", "up"], {
  encoding: "utf8"
})
const unavailable = status === 0 ? undefined : `no namespaces: ${stderr ?? "no unshare"}`

const dockerfile = fenceOf("dockerfile", "FROM").text
const workdir = matched(dockerfile, /^WORKDIR (.+)$/m)

/** What the project of the reader has: migrations, a service, and the installed packages. */
const writeProject = (folder: string): void => {
  mkdirSync(join(folder, "migrations"), { recursive: true })
  writeFileSync(join(folder, "migrations/001_create_notes.sql"), "CREATE TABLE notes (id INTEGER PRIMARY KEY);\n")
  mkdirSync(join(folder, "dist"))
  writeFileSync(
    join(folder, "dist/app.js"),
    'console.log("the service began,", require("node:fs").existsSync("/data/app.db") ? "with a database" : "without")\n'
  )
  for (const name of ["package.json", "package-lock.json"]) writeFileSync(join(folder, name), "{}\n")
  const modules = join(folder, "node_modules")
  for (const file of ["package.json", "dist/database-ready.cjs", "dist/program.cjs"])
    cpSync(join(root, file), join(modules, "database-ready", file))
  for (const part of ["package.json", "lib", "build/Release/better_sqlite3.node"])
    cpSync(join(root, "node_modules/better-sqlite3", part), join(modules, "better-sqlite3", part), { recursive: true })
  mkdirSync(join(modules, ".bin"))
  symlinkSync("../database-ready/dist/database-ready.cjs", join(modules, ".bin/database-ready"))
}

/** A root directory as the lines of the Dockerfile make it; `RUN npm ci` has happened. */
const image = Effect.map(temporaryFolder, (folder) => {
  const [project, image] = [join(folder, "project"), join(folder, "image")]
  writeProject(project)
  for (const mounted of ["usr", "etc", "dev", "proc", "tmp", "data"])
    mkdirSync(join(image, mounted), { recursive: true })
  for (const link of ["bin", "lib", "lib64"]) symlinkSync(`usr/${link}`, join(image, link))
  for (const [, words = ""] of dockerfile.matchAll(/^COPY (.+)$/gm)) {
    const names = words.split(" ")
    const to = join(image, workdir, names.at(-1) ?? "")
    for (const name of names.slice(0, -1))
      cpSync(join(project, name), words.endsWith("/") ? join(to, name) : to, { recursive: true })
  }
  cpSync(join(project, "node_modules"), join(image, workdir, "node_modules"), {
    recursive: true,
    verbatimSymlinks: true
  })
  // The user of the image, and the owner of the volume.
  for (const open of ["data", "tmp"]) chmodSync(join(image, open), 0o777)
  return image
})

const nobody = 65534

/** Mounts what an image has besides, in a namespace that goes with the process, and runs the words as nobody. */
const begin = (image: string, directory: string, words: ReadonlyArray<string>) =>
  spawn(
    "unshare",
    [
      ...["--mount", "--net", "sh", "-ec"],
      `mount --rbind "$0" "$0"; cd "$0"
       for part in usr etc dev; do mount --rbind /$part $part; done
       mount -t proc proc proc; ip link set lo up
       directory=$1; shift
       exec chroot --userspec=${nobody}:${nobody} . env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/tmp \
         sh -c 'cd "$0" && exec "$@"' "$directory" "$@"`,
      ...[image, directory, ...words]
    ],
    { stdio: ["ignore", "pipe", "pipe"] }
  )

const ended = (child: ChildProcessByStdio<null, Readable, Readable>) =>
  Effect.promise(async () => {
    const [stdout, stderr, code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise<number | null>((resolve) => child.once("close", resolve))
    ])
    return { code, stdout, stderr }
  })

const run = (image: string, directory: string, words: ReadonlyArray<string>) => ended(begin(image, directory, words))

/** What lies where the database should be; it must be the same afterwards. */
const foreign = "a text, and no database".repeat(100)

/** Runs the words on an empty volume, and on one with a file that is not a database. */
const bothOf = Effect.fnUntraced(function* (words: ReadonlyArray<string>, directory = workdir) {
  const good = yield* image
  const ready = yield* run(good, directory, words)
  const bad = yield* image
  writeFileSync(join(bad, "data/app.db"), foreign)
  chmodSync(join(bad, "data/app.db"), 0o666)
  const refused = yield* run(bad, directory, words)
  assert.strictEqual(readFileSync(join(bad, "data/app.db"), "utf8"), foreign)
  assert.strictEqual(ready.code, 0, ready.stderr)
  assert.isTrue(existsSync(join(good, "data/app.db")))
  return { ready, refused }
})

describe.skipIf(unavailable !== undefined)(
  `an example of the page${unavailable ? ` (skipped: ${unavailable})` : ""}`,
  () => {
    it.scopedLive("for an image begins the service on a ready database, and does not begin it on another file", () =>
      Effect.gen(function* () {
        const { ready, refused } = yield* bothOf(wordsOf(matched(dockerfile, /^CMD \[(.*)\]$/m)))
        assert.include(ready.stdout, "ready  /data/app.db  schema 001")
        assert.include(ready.stdout, "the service began, with a database")
        assert.strictEqual(refused.code, 65, refused.stderr)
        assert.notInclude(refused.stdout, "the service began")
      })
    )

    it.scopedLive("for Compose ends with success where the service may begin, and with failure where not", () =>
      Effect.gen(function* () {
        const { refused } = yield* bothOf(commandOf(fenceOf("yaml", "service_completed_successfully")))
        assert.strictEqual(refused.code, 65, refused.stderr)
      })
    )

    it.scopedLive("for an init container prints one line of JSON", () =>
      Effect.gen(function* () {
        const { ready, refused } = yield* bothOf(commandOf(fenceOf("yaml", "an init container has no probes")))
        assert.strictEqual(JSON.parse(ready.stdout).status, "ready")
        assert.strictEqual(refused.code, 65, refused.stderr)
        assert.isString(JSON.parse(refused.stdout).error._tag)
      })
    )

    it.scopedLive("for a unit of systemd runs before the service", () =>
      Effect.gen(function* () {
        const unit = fenceOf("ini", "ExecStartPre").text
        const words = matched(unit, /^ExecStartPre=(.+)$/m).split(" ")
        // Without it systemd begins in the root directory.
        const directory = matched(unit, /^WorkingDirectory=(.+)$/m)
        const at = yield* image
        mkdirSync(join(at, dirname(directory)), { recursive: true })
        cpSync(join(at, workdir), join(at, directory), { recursive: true, verbatimSymlinks: true })
        mkdirSync(join(at, directory, "data"))
        chmodSync(join(at, directory, "data"), 0o777)
        const { code, stderr, stdout } = yield* run(at, directory, words)
        assert.strictEqual(code, 0, stderr)
        assert.include(stdout, `ready  ${directory}/data/app.db`)
      })
    )

    it.scopedLive("for a sidecar passes its probes, and ends when it is told to", () =>
      Effect.gen(function* () {
        const manifest = fenceOf("yaml", "a sidecar that starts first")
        const at = yield* image
        const child = yield* Effect.acquireRelease(
          Effect.sync(() => begin(at, workdir, commandOf(manifest))),
          (child) => Effect.sync(() => child.kill("SIGKILL"))
        )
        const end = yield* Effect.fork(ended(child))
        const port = matched(manifest.text, /containerPort: (\d+)/)
        /** The status, asked from inside of its network. */
        const ask = (path: string) =>
          Effect.promise(
            () =>
              new Promise<string>((resolve) => {
                const asked = spawn("nsenter", [
                  ...[`--net=/proc/${child.pid}/ns/net`, process.execPath, "-e"],
                  `fetch("http://127.0.0.1:${port}${path}").then((a) => console.log(a.status), () => console.log("none"))`
                ])
                void text(asked.stdout).then((told) => resolve(told.trim()))
              })
          )
        for (const probe of ["startupProbe", "readinessProbe"]) {
          const path = matched(manifest.text, new RegExp(`${probe}: \\{ httpGet: \\{ path: (/\\w+), port: ${port}`))
          yield* ask(path).pipe(Effect.repeat({ until: (status) => status === "200" }), Effect.timeout("40 seconds"))
        }
        child.kill("SIGTERM")
        const { code, stderr } = yield* end
        assert.strictEqual(code, 0, stderr)
      })
    )
  }
)
