/**
 * Processes that take jobs from one table, each job once: `node test/examples/workers.mjs [FILE] [WORKERS] [JOBS]`. All start
 * at one moment on a new file; one of them applies the migrations, and the others wait for it.
 */
import { fork } from "node:child_process"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { SqlClient } from "@effect/sql"
import { DatabaseReady, Migrations } from "database-ready"
import { Console, Effect, Layer, Logger, LogLevel } from "effect"

const [, script, filename = "data/jobs.db", workers = "2", jobs = "100", name] = process.argv

const migrations = Migrations.fromRecord({
  "001_create_jobs.sql": "CREATE TABLE jobs (id INTEGER PRIMARY KEY, worker TEXT) STRICT;"
})

const work = Effect.gen(function* () {
  const { write } = yield* DatabaseReady
  const sql = yield* SqlClient.SqlClient
  // The first worker adds the jobs; `write` has the lock, so that no other adds them too.
  yield* write(
    sql`INSERT INTO jobs (id) WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < ${Number(jobs)})
      SELECT x FROM n WHERE NOT EXISTS (SELECT 1 FROM jobs)`
  )
  const take = write(
    sql`UPDATE jobs SET worker = ${name} WHERE id = (SELECT min(id) FROM jobs WHERE worker IS NULL) RETURNING id`
  )
  let count = 0
  while ((yield* take).length > 0) count += 1
  yield* Console.log(`${name} ${count}`)
})

const runWorker = (number) =>
  Effect.async((resume) => {
    const worker = fork(script, [filename, workers, jobs, `worker-${number}`])
    worker.once("exit", (code) =>
      resume(code === 0 ? Effect.void : Effect.fail(new Error(`worker ended with ${code}`)))
    )
    return Effect.sync(() => worker.kill())
  })

const main =
  name === undefined
    ? Effect.all(
        Array.from({ length: Number(workers) }, (_, index) => runWorker(index + 1)),
        {
          concurrency: "unbounded",
          discard: true
        }
      )
    : Effect.provide(work, DatabaseReady.layer({ filename, migrations }).pipe(Layer.provide(NodeContext.layer)))

NodeRuntime.runMain(Logger.withMinimumLogLevel(main, LogLevel.Warning))
