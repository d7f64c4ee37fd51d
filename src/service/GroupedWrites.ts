/**
 * Writes that wait at the same moment, in one transaction: most of the pages that uploads write are the same ones. Each
 * is answered after the commit. If one of them fails, or the commit does, none was written: then each gets a transaction
 * of its own, so that it fails for its own reasons alone.
 */
import type { SqlError } from "@effect/sql/SqlError"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { Database } from "./Database.ts"
import { othersTurn } from "./inTurns.ts"
import { unsafeMonotonicMillis } from "./monotonic.ts"

/** Milliseconds of work after which a transaction takes no further ones: nothing is answered meanwhile. */
const longest = 4

/** Milliseconds that a transaction may wait for the lock. Then those who come ask for themselves, as long as it waits. */
const unusual = 50

/** One of a group has failed. Which one, and why, it says when it is tried alone. */
class OneFailed extends Data.TaggedError("OneFailed") {}

interface Member {
  /** Within the transaction of the group. */
  readonly run: Effect.Effect<void, OneFailed>
  /** The transaction is committed. */
  readonly succeed: () => void
  /** No transaction could begin. */
  readonly refuse: (error: SqlError) => void
  /** In a transaction of its own. Never fails: the one who waits gets the failure. */
  readonly alone: Effect.Effect<void>
}

/** Works until the scope closes. The bodies may run twice; what they wrote the first time is undone then. */
export const groupedWrites: Effect.Effect<Database["Type"]["write"], never, Database | Scope.Scope> = Effect.gen(
  function* () {
    const { write } = yield* Database
    const clock = yield* Effect.clock
    const isWaiting = yield* Effect.makeLatch()
    const waiting: Array<Member> = []
    /** Since when a transaction waits for the lock. */
    let asking: number | undefined

    const memberOf = <A, E>(body: Effect.Effect<A, E>, done: Deferred.Deferred<A, E | SqlError>): Member => {
      let result: Exit.Exit<A> | undefined
      return {
        run: Effect.mapBoth(body, {
          onFailure: () => new OneFailed(),
          onSuccess: (value) => {
            result = Exit.succeed(value)
          }
        }),
        succeed: () => {
          if (result !== undefined) Deferred.unsafeDone(done, result)
        },
        refuse: (error) => Deferred.unsafeDone(done, Exit.fail(error)),
        alone: Effect.map(Effect.exit(write(body)), (exit) => Deferred.unsafeDone(done, exit))
      }
    }

    /** Takes one out of those that wait. Returns whether there was one. */
    const leave = (member: Member): boolean => {
      const at = waiting.indexOf(member)
      if (at >= 0) waiting.splice(at, 1)
      return at >= 0
    }

    const writeSome = Effect.gen(function* () {
      const first = [...waiting]
      const group: Array<Member> = []
      const all = Effect.gen(function* () {
        asking = undefined
        const begun = unsafeMonotonicMillis(clock)
        do {
          const member = waiting.shift()
          if (member === undefined) return
          group.push(member)
          yield* member.run
        } while (unsafeMonotonicMillis(clock) - begun < longest)
      })
      asking = unsafeMonotonicMillis(clock)
      const exit = yield* Effect.exit(write(all))
      asking = undefined
      if (Exit.isSuccess(exit)) {
        for (const { succeed } of group) succeed()
        return
      }
      const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
      if (group.length === 0 && error !== undefined && error._tag !== "OneFailed") {
        // It has waited for the lock in vain. Those who came meanwhile may wait longer.
        for (const member of first) if (leave(member)) member.refuse(error)
        return
      }
      if (group.length === 0) group.push(...first.filter(leave))
      yield* Effect.forEach(group, ({ alone }) => alone, { concurrency: "unbounded", discard: true })
    })

    yield* isWaiting.await.pipe(
      // Others may be ready to write in the same turn of the event loop.
      Effect.zipRight(othersTurn),
      Effect.zipRight(Effect.uninterruptible(writeSome)),
      Effect.zipRight(Effect.suspend(() => (waiting.length === 0 ? isWaiting.close : Effect.void))),
      Effect.forever,
      Effect.forkScoped
    )

    return <A, E, R>(body: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
      Effect.contextWithEffect((context: Context.Context<R>) => {
        if (asking !== undefined && unsafeMonotonicMillis(clock) - asking > unusual) return write(body)
        const done = Deferred.unsafeMake<A, E | SqlError>(FiberId.none)
        // With the services of the one who waits, in the transaction of the group.
        const own = Effect.mapInputContext(body, (group: Context.Context<never>) => Context.merge(group, context))
        const member = memberOf(own, done)
        waiting.push(member)
        isWaiting.unsafeOpen()
        // Interrupted before it began, it is not written. Once it began, it waits for the end.
        return Effect.interruptible(Deferred.await(done)).pipe(
          Effect.onInterrupt(() => (leave(member) ? Effect.void : Effect.ignore(Deferred.await(done))))
        )
      })
  }
)
