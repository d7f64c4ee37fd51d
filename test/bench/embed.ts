/** What importing a module adds to a service that already uses Effect and the SQLite client: `embed.js MODULE`. */
import { writeSync } from "node:fs"
import { pathToFileURL } from "node:url"

const [, , added = ""] = process.argv
await Promise.all([
  import("@effect/platform-node/NodeFileSystem"),
  import("@effect/platform-node/NodePath"),
  import("@effect/platform-node/NodeRuntime"),
  import("@effect/sql-sqlite-node/SqliteClient"),
  import("effect/Effect"),
  import("effect/Layer")
])
const memory = process.memoryUsage.rss()
const began = performance.now()
await import(added.startsWith("/") ? pathToFileURL(added).href : added)
writeSync(3, JSON.stringify([performance.now() - began, (process.memoryUsage.rss() - memory) / 1e6]))
