/** What the child process runs: plain JavaScript as text, so that it needs no file of its own in a bundle. */

/** The child's first thread only watches whether this process still exists: our end of the pipe closes with it. */
export const watcher = `
process.stdin.on("end", () => process.kill(process.pid, "SIGKILL")).resume()
const [, asker, question] = process.argv
const { stays } = JSON.parse(question)
new (require("node:worker_threads").Worker)(asker, { eval: true, workerData: JSON.parse(question) })
  .on("message", (said) => {
    require("node:fs").writeFileSync(3, JSON.stringify(said) + "\\n")
    if (said._tag === undefined && !stays) process.exit(0)
  })
`

export const asker = `
const { parentPort, workerData: { driver, onOpen, file, sql, ahead, writes, seesChecks, stays } } = require("node:worker_threads")
const fs = require("node:fs")
const os = require("node:os")
const say = (said) => parentPort.postMessage(said)
const numberIn = (path, pattern) => {
  try {
    return Number(pattern.exec(fs.readFileSync(path, "latin1"))?.[1])
  } catch {
    return NaN
  }
}
const room = () => {
  const available = numberIn("/proc/meminfo", /^MemAvailable: +(\\d+) kB/m) * 1024
  const allowed = process.constrainedMemory?.() || Infinity
  return Math.min(Number.isNaN(available) ? os.totalmem() / 2 : available, allowed) * 0.75
}
const sizeOf = (path) => fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0
const readAhead = () => {
  const paths = [file, file + "-wal"]
  const total = paths.map(sizeOf).reduce((sum, size) => sum + size)
  if (total > room()) return
  const buffer = Buffer.allocUnsafe(1024 * 1024)
  let done = 0
  let told = 0
  for (const path of paths) {
    if (sizeOf(path) === 0) continue
    const descriptor = fs.openSync(path, "r")
    try {
      for (let read = 1; read > 0; done += read) {
        if (done - told >= 16 * buffer.length || done === 0) say({ _tag: "Reading", done: told = done, total })
        read = fs.readSync(descriptor, buffer, 0, buffer.length, null)
      }
    } finally {
      fs.closeSync(descriptor)
    }
  }
}
let connection
const answer = async () => {
  try {
    const { default: first } = onOpen === "" ? {} : await import(onOpen)
    const setUp = first?.default ?? first
    // What cannot be read ahead SQLite reads, or says why not.
    if (ahead) try { readAhead() } catch {}
    const counters = "/proc/self/io"
    say({ _tag: "Asking", read: numberIn(counters, /^rchar: (\\d+)/m), written: numberIn(counters, /^wchar: (\\d+)/m) })
    connection = new (require(driver))(file, { readonly: !writes && !seesChecks, timeout: 0 })
    try {
      setUp?.(connection)
      if (!writes) connection.pragma("query_only = 1")
      connection.pragma("busy_timeout = 0")
      return { rows: connection.prepare(sql).all() }
    } finally {
      if (!stays) connection.close()
    }
  } catch ({ code, message }) {
    return { failure: { code, message } }
  }
}
answer().then(say)
if (stays) setInterval(() => {}, 60_000)
`
