import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { atOnce } from "../layers/start/atOnce.ts"

describe("what begins at once", () => {
  /** Waits for an effect, with something to undo. */
  const undoing = <A, E>(said: Array<string>, wait: Effect.Effect<A, E>) =>
    atOnce(function* () {
      said.push("begun")
      try {
        const value = yield* wait
        said.push("done")
        return value
      } finally {
        said.push("undone")
      }
    })

  it("is over when it is made, if nothing has to be waited for", () => {
    const said: Array<string> = []
    assert.deepStrictEqual(undoing(said, Effect.succeed(1)), Exit.succeed(1))
    assert.deepStrictEqual(said, ["begun", "done", "undone"])
    assert.deepStrictEqual(undoing([], Exit.fail("no")), Exit.fail("no"))
  })

  it.effect("waits as an effect where it has to", () =>
    Effect.gen(function* () {
      const said: Array<string> = []
      const waiting = undoing(said, Effect.as(Effect.yieldNow(), 2))
      assert.isFalse(Exit.isExit(waiting))
      assert.deepStrictEqual(said, ["begun"])
      assert.strictEqual(yield* waiting, 2)
      assert.deepStrictEqual(said, ["begun", "done", "undone"])
    })
  )

  it.effect("undoes what it did, refused at once or later, dying or interrupted", () =>
    Effect.gen(function* () {
      const later = Effect.yieldNow()
      for (const end of [Exit.fail("no"), Exit.die("no"), Effect.zipRight(later, Effect.fail("no"))]) {
        const said: Array<string> = []
        assert.isTrue(Exit.isFailure(yield* Effect.exit(undoing(said, end))))
        assert.deepStrictEqual(said, ["begun", "undone"])
      }
      const said: Array<string> = []
      const reached = yield* Deferred.make<void>()
      const waiting = undoing(said, Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never))
      const fiber = yield* Effect.fork(waiting)
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(said, ["begun", "undone"])
    })
  )
})
