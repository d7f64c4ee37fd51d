/** What the programs of all machines have in common: the service's client, and one line of JSON in the end. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { makeClient } from "conversation-files/client"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"

const settings = Config.all({
  baseUrl: Config.nonEmptyString("SERVICE_URL"),
  token: Config.redacted("SERVICE_TOKEN"),
  sessionId: Config.nonEmptyString("SESSION")
})

/** Runs a machine's work, `(client, settings, ...arguments) => Effect`, and prints what it gives. */
export const runMachine = (work) =>
  Effect.gen(function* () {
    const given = yield* settings
    const answer = yield* work(yield* makeClient(given), given, ...process.argv.slice(2))
    yield* Console.log(JSON.stringify(answer))
  }).pipe(Effect.scoped, Effect.provide(FetchHttpClient.layer), NodeRuntime.runMain)
