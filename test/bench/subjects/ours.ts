/** This library, embedded in a service whose platform is built once, as a service's is. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Scope from "effect/Scope"
import { DatabaseReady, Migrations } from "../../../layers/index.ts"
import type { Start } from "../subject.ts"

const service = ManagedRuntime.make(Layer.provideMerge(NodeFileSystem.layer, NodePath.layer))

export const start: Start = async (filename, { sql }) => {
  const scope = Effect.runSync(Scope.make())
  await DatabaseReady.layer({ filename, migrations: Migrations.fromDirectory(sql) }).pipe(
    Layer.buildWithScope(scope),
    service.runPromise
  )
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
