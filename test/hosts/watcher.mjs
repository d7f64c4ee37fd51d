/** A program that keeps its database: says that it is ready, and at each line of its input what its health is. */
import { createInterface } from "node:readline"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Migrations } from "database-ready"
import { DatabaseReady } from "database-ready/postgres"
import { Console, Effect, Stream } from "effect"

const [url = "", folder = ""] = process.argv.slice(2)

Effect.gen(function* () {
  const { health, report } = yield* DatabaseReady
  yield* Console.log(`ready ${report.schemaVersion}`)
  const lines = Stream.fromAsyncIterable(createInterface(process.stdin), (error) => error)
  yield* Stream.runForEach(lines, () =>
    health.pipe(
      Effect.timeout("5 seconds"),
      Effect.match({
        onFailure: (error) => `not ready ${error._tag} ${"reason" in error ? error.reason : ""}`,
        onSuccess: ({ schemaVersion }) => `healthy ${schemaVersion}`
      }),
      Effect.flatMap(Console.log)
    )
  )
}).pipe(
  Effect.provide(DatabaseReady.layer({ url, migrations: Migrations.fromDirectory(folder) })),
  Effect.provide(NodeContext.layer),
  NodeRuntime.runMain
)
