/** The NPU worker: fetches a file, and uploads what its model makes of it. The model counts words. */
import { fileForm } from "database-ready/client"
import * as Effect from "effect/Effect"
import { runMachine } from "./machine.mjs"

runMachine(
  Effect.fnUntraced(function* ({ files }, { sessionId }, fileId) {
    const content = yield* files.download({ path: { fileId } })
    const words = new TextDecoder().decode(content).split(/\s+/).filter(Boolean)
    const payload = fileForm("result.json", JSON.stringify({ source: fileId, words }), {
      type: "application/json",
      messageId: "inference-1",
      metadata: { device: "npu", model: "word-count", source: fileId, words: String(words.length) }
    })
    return yield* files.upload({ path: { sessionId }, payload })
  })
)
