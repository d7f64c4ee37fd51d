/** The listening server, and its end: no answer is cut off that can still be sent. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Access, isLoopback } from "./Access.ts"
import { BoundedServer } from "./Connections.ts"
import { Door, whileRequestsEnd } from "./Door.ts"
import { KeptAnswers } from "./KeptAnswers.ts"
import { Settings } from "./Settings.ts"
import { Strangers } from "./Strangers.ts"
import { answerByItself } from "./Wire.ts"

/** Time to send the last answers: to probes, and to requests that did not end in time. */
const lastAnswers = Duration.seconds(1)

/**
 * Listens only on loopback if no accounts are configured. Once the service is told to stop, each connection ends with
 * its next answer. When the scope closes, after the door is shut, all connections end.
 */
export const listening = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { host, lockPatience, maxConnections, port } = yield* Settings
    const { isOpen } = yield* Access
    const onLoopback = isOpen && !isLoopback(host)
    if (onLoopback)
      yield* Effect.logWarning(`No accounts are configured (API_TOKENS): listening on 127.0.0.1, not on ${host}`)
    const server = new BoundedServer(maxConnections, lockPatience, yield* Strangers, yield* KeptAnswers)
    answerByItself(server)
    const { left } = yield* Door
    yield* Effect.forkScoped(
      Effect.zipRight(
        left,
        Effect.sync(() => server.drain())
      )
    )
    const closing = Effect.addFinalizer(() =>
      Effect.suspend(() => {
        let isClosed = false
        server.drain()
        server.close(() => {
          isClosed = true
        })
        const closeIdle = Effect.sync(() => server.closeIdleConnections())
        return Effect.repeat(closeIdle, { schedule: whileRequestsEnd(lastAnswers), until: () => isClosed })
      }).pipe(Effect.zipRight(Effect.sync(() => server.closeAllConnections())))
    )
    return Layer.provideMerge(
      Layer.scopedDiscard(closing),
      NodeHttpServer.layer(() => server, { host: onLoopback ? "127.0.0.1" : host, port })
    )
  })
)
