/**
 * The NPU worker: fetches a file, and uploads what its model makes of it. The model counts words. With `watch` it waits
 * for a text to be added to its session, and for the first change of it, after which its result is changed too.
 */
import { fileForm, watchSession } from "conversation-files/client"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { runMachine } from "./machine.mjs"

runMachine(
  Effect.fnUntraced(function* ({ changes, files }, settings, what) {
    const { sessionId } = settings
    const infer = Effect.fnUntraced(function* (fileId) {
      const content = yield* files.download({ path: { fileId } })
      const words = new TextDecoder().decode(content).split(/\s+/).filter(Boolean)
      return { json: JSON.stringify({ source: fileId, words }), count: words.length }
    })
    const process = Effect.fnUntraced(function* (fileId) {
      const { count, json } = yield* infer(fileId)
      const payload = fileForm("result.json", json, {
        type: "application/json",
        messageId: "inference-1",
        metadata: { device: "npu", model: "word-count", source: fileId, words: String(count) }
      })
      return yield* files.upload({ path: { sessionId }, payload })
    })
    if (what !== "watch") return yield* process(what)

    return yield* watchSession(sessionId, { ...settings, after: 0 }).pipe(
      Stream.filter(({ name }) => name?.endsWith(".txt")),
      Stream.take(2),
      Stream.runFoldEffect(undefined, (result, { fileId }) =>
        result === undefined
          ? process(fileId)
          : Effect.flatMap(infer(fileId), ({ json }) =>
              changes.replace({
                path: { fileId: result.fileId },
                headers: { "if-match": `"${result.sha256}"`, "content-type": "application/json" },
                payload: json
              })
            )
      )
    )
  })
)
