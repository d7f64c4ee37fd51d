/** Does each step, and judges the result. */
import { chmodSync, rmSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { drift, header, history, write } from "./editSteps.ts"
import { copy, crash, hold, journal, orphan, releaseFile, replace, stray, times } from "./fileSteps.ts"
import { restore, restores } from "./restoreSteps.ts"
import { fileOf, type State, verify } from "./State.ts"
import type { Step } from "./Step.ts"
import { start, withoutLocks } from "./startSteps.ts"
import { moveAway, race } from "./togetherSteps.ts"
import { backupsIn, moveBehindLink } from "./world.ts"

/** Does a step and judges the result; returns a word for the script. */
export const take = (state: State, step: Step): Effect.Effect<string> =>
  Effect.suspend((): Effect.Effect<string> => {
    switch (step._tag) {
      case "start":
        return start(state, step)
      case "race":
        return race(state, step)
      case "restore":
        return restore(state, step)
      case "restores":
        return restores(state, step)
      case "move away":
        return moveAway(state, step)
      case "no locks":
        return Effect.sync(() => withoutLocks(state, step))
      case "write":
        return Effect.succeed(write(state, step))
      case "crash":
        return Effect.succeed(crash(state, step))
      case "stray":
        return Effect.succeed(stray(state, step))
      case "copy":
        return Effect.succeed(copy(state, step))
      case "link":
        if (state.held !== "no" || state.kind === "absent") return Effect.succeed("skipped")
        moveBehindLink(state.world)
        return Effect.succeed("done")
      case "times":
        return Effect.succeed(times(state, step))
      case "mode":
        if (state.kind === "absent" || state.held !== "no") return Effect.succeed("skipped")
        chmodSync(fileOf(state), step.mode)
        return Effect.succeed("done")
      case "journal":
        return Effect.succeed(journal(state, step))
      case "history":
        return Effect.succeed(history(state, step))
      case "header":
        return Effect.succeed(header(state, step))
      case "replace":
        return Effect.succeed(replace(state, step))
      case "drift":
        return Effect.succeed(drift(state, step))
      case "orphan":
        return Effect.succeed(orphan(state, step))
      case "hold":
        return hold(state, step)
      case "let go":
        return releaseFile(state)
      case "forget backups":
        for (const name of backupsIn(state.world.home)) rmSync(join(state.world.home, name))
        state.backups.clear()
        return Effect.succeed("done")
    }
  }).pipe(Effect.tap((done) => Effect.sync(() => verify(state, `after ${step._tag} (${done})`))))
