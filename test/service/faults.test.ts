/**
 * The row and the file agree after a kill at any moment. The service is killed, or its system call fails, at the n-th
 * call of a kind in one of its threads during one request, with rising n until the call is not reached. The short form
 * takes some of the calls; long form: `FAULTS=all npx vitest run --config test/vitest.config.ts service/faults`.
 */
import { createHash } from "node:crypto"
import { readdirSync, readFileSync, utimesSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { fileForm } from "../../src/service/Client.ts"
import { runningBackend, stopped } from "../support/backend.ts"
import { rowsOf, temporaryFolder } from "../support/database.ts"
import { because, everything, type Fault, kill, limit, threadsOf, unattachable, underFault } from "../support/faults.ts"

type Thread = keyof Effect.Effect.Success<ReturnType<typeof threadsOf>>

type Calls = Readonly<Record<Thread, ReadonlyArray<string>>>

/** The main thread has SQLite and the sockets, the pool has the contents; `write` wakes one or the other. */
const killed: Calls = everything
  ? {
      main: ["openat", "pwrite64", "fsync", "fdatasync", "ftruncate", "unlink", "write", "writev"],
      pool: ["openat", "pwrite64", "fsync", "fdatasync", "ftruncate", "unlink", "mkdir", "link", "rename", "write"]
    }
  : { main: ["writev"], pool: ["mkdir", "link", "unlink"] }

const failing: Calls = everything
  ? {
      main: ["openat", "pwrite64", "fsync", "fdatasync", "ftruncate", "unlink"],
      pool: ["openat", "pwrite64", "fsync", "fdatasync", "ftruncate", "unlink", "mkdir", "link", "rename"]
    }
  : { main: ["openat"], pool: ["pwrite64", "link", "unlink"] }

const codes = (everything ? ["EIO", "ENOSPC", "EACCES", "EMFILE"] : ["EIO", "ENOSPC"]).map((code) => `error=${code}`)

/** The answer; undefined if there was none. */
type Answer = { readonly status: number; readonly body: Readonly<Record<string, unknown>> } | undefined

const answerOf = (url: string, init: RequestInit): Effect.Effect<Answer> =>
  Effect.promise(async () => {
    try {
      const response = await fetch(url, init)
      const text = await response.text()
      return { status: response.status, body: text === "" ? {} : JSON.parse(text) }
    } catch {
      return undefined
    }
  })

const digestOf = (content: string | Buffer) => createHash("sha256").update(content).digest("hex")

/** The name of every content on the disk, and the digest of its bytes. */
const contentsIn = (folder: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    readdirSync(join(folder, "files"))
      .filter((shelf) => shelf.length === 2)
      .flatMap((shelf) =>
        readdirSync(join(folder, "files", shelf)).map((name) => [
          name,
          digestOf(readFileSync(join(folder, "files", shelf, name)))
        ])
      )
  )

interface Row {
  readonly file_id: string
  readonly file_hash: string
}

const rowsIn = (folder: string) =>
  rowsOf(join(folder, "conversation_files.db"), "SELECT file_id, file_hash FROM conversation_files") as Effect.Effect<
    ReadonlyArray<Row>
  >

/** A service with its own folder, which can be started again, and what it has acknowledged. */
const makeSubject = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const settings = {
    DATA_DIRECTORY: folder,
    // Its calls come at times of their own, and the faults of a run are numbered by calls.
    PROOF_RATE: "0",
    HEALTH_CACHE: "0ms",
    REQUESTS_PER_SECOND: "100000",
    UV_THREADPOOL_SIZE: "1"
  }
  const start = runningBackend(settings)
  let backend = yield* start
  let contents = 0
  /** Acknowledged files, by id, with their hashes; and the ids of those whose deletion was acknowledged. */
  const files = new Map<string, string>()
  const deleted = new Set<string>()
  /** Files whose change was not answered: they have one of two contents. */
  const either = new Map<string, readonly [string, string]>()

  /** A content that nobody has, for a shelf that does not exist. */
  const fresh = (length = 0): string => {
    const shelves = readdirSync(join(folder, "files"))
    assert.isBelow(shelves.length, 256)
    for (;;) {
      contents += 1
      const content = `content ${contents}`.padEnd(length, " ")
      if (!shelves.includes(digestOf(content).slice(0, 2))) return content
    }
  }
  const upload = (content: string) =>
    Effect.map(
      answerOf(`${backend.url}/api/sessions/s/files`, { method: "POST", body: fileForm("a.txt", content) }),
      (answer) => {
        const fileId = String(answer?.body["fileId"])
        if (answer?.status === 201) files.set(fileId, digestOf(content))
        return { answer, fileId }
      }
    )
  const destroy = Effect.fnUntraced(function* (fileId: string) {
    const hash = files.get(fileId) ?? ""
    // Unknown until there is an answer.
    files.delete(fileId)
    const answer = yield* answerOf(`${backend.url}/api/files/${fileId}/permanently`, { method: "DELETE" })
    if (answer?.status === 204) deleted.add(fileId)
    else if (answer !== undefined) files.set(fileId, hash)
    return { answer, fileId }
  })

  const post = (path: string, body: unknown) =>
    answerOf(`${backend.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body)
    })
  const replace = Effect.fnUntraced(function* (fileId: string, content: string) {
    const before = files.get(fileId) ?? ""
    const after = digestOf(content)
    const answer = yield* answerOf(`${backend.url}/api/files/${fileId}/content`, {
      method: "PUT",
      headers: { "if-match": `"${before}"`, "content-type": "text/plain" },
      body: content
    })
    if (answer?.status === 200) files.set(fileId, after)
    if (answer === undefined) {
      files.delete(fileId)
      either.set(fileId, [before, after])
    }
    return { answer, fileId }
  })
  const copy = (fileId: string) =>
    Effect.map(post(`/api/files/${fileId}/copy`, { sessionId: "copies" }), (answer) => {
      if (answer?.status === 201) files.set(String(answer.body["fileId"]), files.get(fileId) ?? "")
      return { answer, fileId }
    })
  const move = (fileId: string) =>
    Effect.map(post(`/api/files/${fileId}/move`, { sessionId: "moved" }), (answer) => ({ answer, fileId }))

  /** What holds at any moment: acknowledged rows exist, deleted ones do not, each row has its content. */
  const agrees = Effect.fnUntraced(function* (label: string) {
    const rows = yield* rowsIn(folder)
    const found = contentsIn(folder)
    for (const { file_hash } of rows) assert.strictEqual(found[file_hash], file_hash, label)
    const hashes = new Map(rows.map(({ file_hash, file_id }) => [file_id, file_hash]))
    for (const [fileId, hash] of files) assert.strictEqual(hashes.get(fileId), hash, label)
    for (const [fileId, both] of either) assert.include(both, hashes.get(fileId), label)
    for (const fileId of deleted) assert.isFalse(hashes.has(fileId), label)
    return { rows, found }
  })

  return {
    fresh,
    upload,
    destroy,
    replace,
    copy,
    move,
    /** What also holds if every request was answered: no row exists that was not acknowledged. */
    agreesExactly: Effect.fnUntraced(function* (label: string) {
      const { rows } = yield* agrees(label)
      assert.deepStrictEqual(rows.map(({ file_id }) => file_id).sort(), [...files.keys()].sort(), label)
    }),
    get pid() {
      return backend.process.pid ?? 0
    },
    trace: join(folder, "trace"),
    isSilent: Effect.suspend(() => Effect.map(answerOf(`${backend.url}/readyz`, {}), (answer) => answer === undefined)),
    ended: Effect.suspend(() => Effect.promise(() => backend.ended)),
    isAlive: () => backend.process.exitCode === null && backend.process.signalCode === null,
    /** Starts again, and checks that the sweep at the start has left only contents with rows. */
    again: Effect.fnUntraced(function* (label: string) {
      if (backend.process.exitCode === null && backend.process.signalCode === null) yield* stopped(backend)
      backend = yield* start
      const { found, rows } = yield* agrees(label)
      const wanted = [...new Set(rows.map(({ file_hash }) => file_hash))].sort()
      assert.deepStrictEqual(Object.keys(found).sort(), wanted, label)
    }),
    incoming: () =>
      readdirSync(join(folder, "files", "incoming")).map((name) => join(folder, "files", "incoming", name))
  }
})

type Subject = Effect.Effect.Success<typeof makeSubject>

/** Bytes of a file that arrives in many pieces. */
const large = 3 * 1024 * 1024

/** One request, and its preparation. */
const requests = {
  "an upload": (subject: Subject) => Effect.sync(() => subject.upload(subject.fresh())),
  "a large upload": (subject: Subject) => Effect.sync(() => subject.upload(subject.fresh(large))),
  "a second upload of the same content": (subject: Subject) => {
    const content = subject.fresh()
    return Effect.as(subject.upload(content), subject.upload(content))
  },
  "a deletion for good": (subject: Subject) =>
    Effect.map(subject.upload(subject.fresh()), ({ fileId }) => subject.destroy(fileId)),
  "a change of a content": (subject: Subject) =>
    Effect.map(subject.upload(subject.fresh()), ({ fileId }) => subject.replace(fileId, subject.fresh())),
  "a copy": (subject: Subject) => Effect.map(subject.upload(subject.fresh()), ({ fileId }) => subject.copy(fileId)),
  "a move": (subject: Subject) => Effect.map(subject.upload(subject.fresh()), ({ fileId }) => subject.move(fileId))
}

interface Form {
  readonly killed: Calls
  readonly failing: Calls
  /** Every so many calls of a kind, beginning with the first. */
  readonly every: number
}

/** What differs from a small one is the file on its way in. */
const piecesAlone: Form = {
  killed: { main: [], pool: ["pwrite64"] },
  failing: { main: [], pool: ["pwrite64"] },
  every: everything ? 1 : 12
}

const formOf = (name: string): Form =>
  name === "a large upload" ? piecesAlone : { killed, failing, every: everything ? 1 : 2 }

/** The short form leaves out those whose calls the others have too. */
const isSwept = (name: string): boolean =>
  everything || !["a second upload of the same content", "a copy", "a move"].includes(name)

/**
 * Repeats requests with the first, second ... call under the fault, until the call is not reached. Returns the number
 * of faults.
 */
const sweep = Effect.fnUntraced(function* <E, R>(
  subject: Subject,
  calls: Calls,
  every: number,
  what: string,
  prepare: (typeof requests)[keyof typeof requests],
  survived: (answer: Answer, label: string) => Effect.Effect<void, E, R>
) {
  const counts: Record<string, number> = {}
  for (const thread of ["main", "pool"] as const) {
    for (const call of calls[thread]) {
      for (let nth = 1; ; nth += every) {
        const fault: Fault = { what, call, nth }
        const request = yield* prepare(subject)
        const threads = yield* threadsOf(subject.pid)
        const { reached, value } = yield* underFault(threads[thread], fault, subject.trace, request)
        // A killed process does not answer any more; the tracer may be gone before it noted the end.
        const isOver = what === kill ? value.answer === undefined || (yield* subject.isSilent) : reached
        if (!isOver) {
          assert.include([200, 201, 204], value.answer?.status, `without a fault: ${JSON.stringify(fault)}`)
          break
        }
        counts[`${thread} ${call}`] = (counts[`${thread} ${call}`] ?? 0) + 1
        yield* survived(value.answer, `${what} ${thread} ${call} ${nth}`)
      }
    }
  }
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0)
  assert.isAbove(total, 0)
  return `${total} (${Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(", ")})`
})

describe.skipIf(unattachable !== undefined)(`the service${because(unattachable)}`, () => {
  it.scopedLive(
    "has the same threads whenever one looks, though it works",
    () =>
      Effect.gen(function* () {
        const subject = yield* makeSubject
        const working = yield* Effect.fork(Effect.repeat(subject.upload("one content"), Schedule.spaced("20 millis")))
        const pools = yield* Effect.replicateEffect(Effect.delay(threadsOf(subject.pid), "3 millis"), 100)
        yield* Fiber.interrupt(working)
        assert.strictEqual(new Set(pools.map(({ pool }) => pool)).size, 1)
      }),
    limit
  )

  for (const [name, prepare] of Object.entries(requests).filter(([name]) => isSwept(name))) {
    const form = formOf(name)
    it.scopedLive(
      `killed at every step of ${name}: started again, each row has its content and no content is without a row`,
      () =>
        Effect.gen(function* () {
          const subject = yield* makeSubject
          const count = yield* sweep(subject, form.killed, form.every, kill, prepare, (_, label) =>
            Effect.zipRight(subject.ended, subject.again(label))
          )
          // Unfinished uploads of killed processes belong to nobody, and are deleted when they are an hour old.
          const left = subject.incoming()
          for (const upload of left) utimesSync(upload, new Date(0), new Date(0))
          yield* subject.again("at the end")
          assert.deepStrictEqual(subject.incoming(), [])
          console.log(`${name}: killed ${count}, ${left.length} uploads left half-way`)
        }),
      limit
    )

    it.scopedLive(
      `failing at every step of ${name}: a true and typed answer, and the next request is served`,
      () =>
        Effect.gen(function* () {
          for (const what of codes) {
            // A new one each time: there are 256 shelves.
            const subject = yield* makeSubject
            const count = yield* sweep(subject, form.failing, form.every, what, prepare, (answer, label) =>
              Effect.gen(function* () {
                assert.isTrue(subject.isAlive(), label)
                if (answer === undefined) return assert.fail(`no answer: ${label}`)
                assert.include([200, 201, 204, 500, 503, 507], answer.status, label)
                if (answer.status >= 500) {
                  assert.include(
                    ["InternalError", "NotReady", "DatabaseBusy", "StorageFull"],
                    answer.body["_tag"],
                    label
                  )
                }
                yield* subject.agreesExactly(label)
                const next = yield* subject.upload(subject.fresh())
                assert.strictEqual(next.answer?.status, 201, label)
              })
            )
            yield* subject.again("at the end")
            console.log(`${name}: ${what} ${count}`)
          }
        }),
      limit
    )
  }
})
