/**
 * Repeats answers that are still true. A request with exactly the same headers gets its earlier answer, as long as
 * everything it depended on still holds. This runs below the HTTP layer, at a tenth of the cost. Nothing is decided
 * here. Each part that has a say about a request adds a condition. If one does not hold, the request is handled in
 * full.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { unsafeMonotonicMillis } from "./monotonic.ts"
import { Settings } from "./Settings.ts"

/** How many bytes are kept, with their requests. The longest unused go first. */
const mostBytes = 8 * 1024 * 1024

/** A longer answer is not kept. */
const longest = 256 * 1024

/** Whether something that the answer depends on still holds, or is granted once more. */
type Condition = () => boolean

/** What comes before a repeated answer, such as a record of it. It calls `next` once, at once or later. */
type Step = (next: () => void) => void

/** What is known of a request while it is answered. */
interface Asking {
  readonly conditions: Array<Condition>
  readonly steps: Array<Step>
  mayBeKept: boolean
}

interface Kept {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | undefined
  readonly conditions: ReadonlyArray<Condition>
  readonly steps: ReadonlyArray<Step>
  readonly counted: (millis: number) => void
  readonly bytes: number
}

export class KeptAnswers extends Context.Tag("conversation-files/KeptAnswers")<
  KeptAnswers,
  {
    /** Answers a request from memory if nothing has changed. Returns whether it did. */
    readonly answer: (request: IncomingMessage, response: ServerResponse) => boolean
    /** Adds a condition to the current request, to be checked again for each repeated answer. */
    readonly require: (condition: Condition) => Effect.Effect<void, never, HttpServerRequest.HttpServerRequest>
    /** Adds the condition of the handler. If it and all others hold, the answer may be repeated. */
    readonly keepWhile: (condition: Condition) => Effect.Effect<void, never, HttpServerRequest.HttpServerRequest>
    /** Adds a step to the current request, taken again before each repeated answer. */
    readonly repeatAfter: (step: Step) => Effect.Effect<void, never, HttpServerRequest.HttpServerRequest>
    /** Keeps the answer to a request if allowed. `counted` is called each time it is repeated. */
    readonly keep: (
      request: HttpServerRequest.HttpServerRequest,
      response: HttpServerResponse.HttpServerResponse,
      counted: (millis: number) => void
    ) => void
  }
>() {
  static readonly layer: Layer.Layer<KeptAnswers, never, Settings> = Layer.effect(
    KeptAnswers,
    Effect.gen(function* () {
      const clock = yield* Effect.clock
      const { otlpEndpoint } = yield* Settings
      // If spans are exported, each request needs one.
      const most = Option.isSome(otlpEndpoint) ? 0 : mostBytes
      const asking = new WeakMap<IncomingMessage, Asking>()
      const answers = new Map<string, Kept>()
      let bytes = 0

      const forget = (key: string) => {
        bytes -= answers.get(key)?.bytes ?? 0
        answers.delete(key)
      }

      const remember = (key: string, answer: Kept) => {
        forget(key)
        answers.set(key, answer)
        bytes += answer.bytes
        for (const oldest of answers.keys()) {
          if (bytes <= most) break
          forget(oldest)
        }
      }

      const add = (learn: (known: Asking) => void) =>
        Effect.map(HttpServerRequest.HttpServerRequest, (request) => {
          const incoming = NodeHttpServerRequest.toIncomingMessage(request)
          const known = asking.get(incoming) ?? { conditions: [], steps: [], mayBeKept: false }
          learn(known)
          asking.set(incoming, known)
        })

      return {
        require: (condition) => add(({ conditions }) => conditions.push(condition)),
        keepWhile: (condition) =>
          add((known) => {
            known.conditions.push(condition)
            known.mayBeKept = true
          }),
        repeatAfter: (step) => add(({ steps }) => steps.push(step)),

        keep: (request, { body, headers, status }, counted) => {
          const incoming = NodeHttpServerRequest.toIncomingMessage(request)
          const known = asking.get(incoming)
          if (known?.mayBeKept !== true || !isPlain(incoming)) return
          const content = body._tag === "Uint8Array" || body._tag === "Raw" ? body.body : undefined
          // A stream can be read once.
          if (content !== undefined && !(content instanceof Uint8Array)) return
          const length = content?.length ?? 0
          if (length > longest) return
          const key = keyOf(incoming)
          // Two bytes per character of the key, and something for the rest.
          const size = length + 2 * key.length + 1024
          const { conditions, steps } = known
          remember(key, { status, headers, body: content, conditions, steps, counted, bytes: size })
        },

        answer: (request, response) => {
          // It waits behind another answer on its connection. The HTTP layer bounds those, so it must handle this one.
          if (response.socket === null) return false
          const begun = unsafeMonotonicMillis(clock)
          const key = keyOf(request)
          const known = answers.get(key)
          if (known === undefined) return false
          // Last to first: the condition that counts requests of a caller runs only if the answer is still true.
          if (!known.conditions.toReversed().every((holds) => holds())) return false
          remember(key, known)
          const send = () => {
            // The client may have hung up while a step was taken. An error here would end what takes the steps.
            if (response.destroyed) return
            response.writeHead(known.status, known.headers)
            response.end(request.method === "HEAD" ? undefined : known.body)
            known.counted(unsafeMonotonicMillis(clock) - begun)
          }
          known.steps.reduceRight((next: () => void, step) => () => step(next), send)()
          return true
        }
      }
    })
  )
}

/** Everything an answer can depend on, except the client, which is checked before. */
const keyOf = ({ httpVersion, method, rawHeaders, url }: IncomingMessage): string =>
  `${method} ${url} ${httpVersion}\n${rawHeaders.join("\n")}`

/** Without a body, and without unusual connection headers. */
const isPlain = ({ headers, method }: IncomingMessage): boolean =>
  (method === "GET" || method === "HEAD") &&
  headers["content-length"] === undefined &&
  headers["transfer-encoding"] === undefined &&
  headers.expect === undefined &&
  !/close/i.test(headers.connection ?? "")
