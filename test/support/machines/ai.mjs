/**
 * The AI machine: lists a session, page by page, and reads every file of it. With a message it answers that instead: it
 * asks what of the files it should see, adds its answer to the session, and reports which passage was of help.
 */
import { createHash } from "node:crypto"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { runMachine } from "./machine.mjs"

runMachine(({ changes, context, experiments, files }, { sessionId }, message) => {
  const path = { sessionId }
  /** Pages of two, so that there is more than one. */
  const page = (after) =>
    Effect.map(files.list({ path, urlParams: { limit: 2, deleted: false, after } }), ({ files, next }) => [
      Chunk.fromIterable(files),
      Option.fromNullable(next)
    ])
  const all = Stream.paginateChunkEffect(undefined, page)
  const read = ({ fileId, name }) =>
    Effect.map(files.view({ path: { fileId } }), (content) => ({
      name,
      size: content.length,
      sha256: createHash("sha256").update(content).digest("hex")
    }))
  if (message === undefined) {
    return all.pipe(Stream.mapEffect(read), Stream.runCollect, Effect.map(Chunk.toReadonlyArray))
  }

  /** Waits until the text of a file can be found. */
  const searchable = ({ fileId }) =>
    Effect.repeat(context.textState({ path: { fileId } }), {
      until: ({ state }) => state !== "queued" && state !== "running",
      schedule: Schedule.spaced("100 millis")
    })
  return Effect.gen(function* () {
    yield* Stream.runForEach(all, searchable)
    const { experiment, passages, policy, receipt } = yield* context.choose({
      path,
      payload: { message, budget: 1000 }
    })
    // Its model repeats the best passage, so that one helps and the others do not.
    const [best] = passages
    const payload = { name: "answer.txt", text: best?.text ?? "I do not know.", messageId: "answer-1" }
    const answer = yield* changes.createText({ path, payload })
    const outcomes = passages.map((passage) => ({
      fileId: passage.fileId,
      ordinal: passage.ordinal,
      outcome: passage === best ? "helpful" : "ignored"
    }))
    const report = { path: { sessionId, answerId: "answer-1" }, payload: { experiment, receipt, outcomes } }
    // It does not know whether the first one arrived, so it sends it again.
    const first = yield* experiments.report(report)
    const { isCounted } = yield* experiments.report(report)
    return { policy, experiment, answer, reports: [first.isCounted, isCounted] }
  })
})
