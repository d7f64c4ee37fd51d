/** The service on a PostgreSQL server, with its contents in the database. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import { Checkpoints } from "../checkpoints/Checkpoints.ts"
import type { Engine } from "../Engine.ts"
import { StartTimeline } from "../StartTimeline.ts"
import { postgresBelonging } from "./belonging.ts"
import { postgresContents } from "./contents.ts"
import { postgresDatabase } from "./database.ts"
import { postgresKeeping } from "./keeping.ts"
import { postgresSweeper } from "./sweeper.ts"

export const engineOn = (url: Redacted.Redacted): Engine => ({
  database: Layer.unwrapEffect(Effect.map(StartTimeline, ({ follow }) => postgresDatabase(url, follow))),
  contents: postgresContents,
  belonging: postgresBelonging,
  checkpoints: Checkpoints.none,
  keeping: postgresKeeping,
  sweeper: postgresSweeper
})
