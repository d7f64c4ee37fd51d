/** A start as a layer makes it: with the migrations that it is given, and the Reactivity of the program. */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { MigrationSource, type Migrations } from "../start/MigrationSource.ts"
import { DatabaseConfig, type DatabaseOptions } from "./DatabaseConfig.ts"
import { Initialization } from "./Initialization.ts"
import { inStartSpan, startDatabase, withDatabase } from "./startDatabase.ts"

/** What a layer takes. `R` is what the migrations need. */
export interface LayerOptions<R> extends DatabaseOptions {
  /** Where the migrations come from: see `Migrations`. */
  readonly migrations: Migrations<R>
}

/**
 * With the one Reactivity of the program, that of `Layer.provide(Reactivity.layer)`, made when it is first used: to build
 * a layer takes more steps than a start.
 */
export const startInLayer = <R>(options: LayerOptions<R>) =>
  Effect.contextWithEffect((context: Context.Context<Scope.Scope>) => {
    const [memo, scope] = [Context.get(context, Layer.CurrentMemoMap), Context.get(context, Scope.Scope)]
    let built: Reactivity.Reactivity.Service | undefined
    const reactivity = Effect.suspend(() =>
      built === undefined
        ? Effect.map(Layer.buildWithMemoMap(Reactivity.layer, memo, scope), (layer) => {
            built = Context.get(layer, Reactivity.Reactivity)
            return built
          })
        : Effect.succeed(built)
    )
    return startWith(options, reactivity)
  })

/** The source is read before the first stage: migrations that are at fault leave no trace on the disk. */
const startWith = <R>(options: LayerOptions<R>, reactivity: Effect.Effect<Reactivity.Reactivity.Service>) =>
  Effect.gen(function* () {
    const config = DatabaseConfig.from(options)
    const initialization = yield* Initialization.make(config)
    const source = yield* withDatabase(MigrationSource.make(options.migrations), config, initialization)
    return yield* startDatabase(config, initialization, source, reactivity)
  }).pipe((start) => inStartSpan(start, options))
