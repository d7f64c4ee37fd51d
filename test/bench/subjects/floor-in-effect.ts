/**
 * The floor as the only work of an Effect service: its runtime and its platform, nothing of this library. The first
 * start of any library of layers cannot be faster.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Scope from "effect/Scope"
import type { Start } from "../subject.ts"
import { open } from "./floor.ts"

const service = ManagedRuntime.make(Layer.provideMerge(NodeFileSystem.layer, NodePath.layer))

export const start: Start = async (file, { sql }) => {
  const scope = Effect.runSync(Scope.make())
  const database = Effect.acquireRelease(
    Effect.sync(() => open(file, sql)),
    (db) => Effect.sync(() => db.close())
  )
  await Layer.scopedDiscard(database).pipe(Layer.buildWithScope(scope), service.runPromise)
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
