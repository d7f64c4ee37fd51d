/** The AI machine: lists a session, page by page, and reads every file of it. */
import { createHash } from "node:crypto"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { runMachine } from "./machine.mjs"

runMachine(({ files }, { sessionId }) => {
  /** Pages of two, so that there is more than one. */
  const page = (after) =>
    Effect.map(
      files.list({ path: { sessionId }, urlParams: { limit: 2, deleted: false, after } }),
      ({ files, next }) => [Chunk.fromIterable(files), Option.fromNullable(next)]
    )
  const read = ({ fileId, name }) =>
    Effect.map(files.view({ path: { fileId } }), (content) => ({
      name,
      size: content.length,
      sha256: createHash("sha256").update(content).digest("hex")
    }))
  return Stream.paginateChunkEffect(undefined, page).pipe(
    Stream.mapEffect(read),
    Stream.runCollect,
    Effect.map(Chunk.toReadonlyArray)
  )
})
