/** Whether the connection has what the schema uses, before anything is changed. */
import { ConnectionError } from "../ConnectionError.ts"
import { cureOfBroken, describeBroken } from "./CompiledSchema.ts"
import type { Seen } from "./DatabaseLook.ts"
import { ofMigrations, withoutExtension } from "./ExtensionsInUse.ts"
import { scriptOf } from "./MigrationRun.ts"
import { maySpeakOf } from "./SchemaProof.ts"
import { unlessSound } from "./SoundSchemas.ts"
import type { Room } from "./UpgradeRoom.ts"

const sound: Parameters<typeof unlessSound>[0] = []

/**
 * Only of what migrations made: what others added is theirs. What a pending migration speaks of may go with it, and the
 * upgrade judges what it leaves.
 */
export const lackOfExtensions = ({ database: { file, sqlite } }: Room, seen: Seen): ConnectionError | undefined => {
  const scripts = seen.verdict.pending.map(scriptOf)
  const { ours, repeatables } = seen.verdict
  const made =
    ours === undefined
      ? seen.objects
      : ofMigrations(ours, repeatables.isDue ? undefined : repeatables.recorded, seen.objects)
  const staying = made.filter(({ name }) => !scripts.some((script) => maySpeakOf(script, name)))
  const broken = unlessSound(sound, sqlite, [seen.objects, staying], () => withoutExtension(sqlite, staying))
  if (broken.length === 0) return undefined
  const detail = broken.map(describeBroken).join("; ")
  const facts = { code: "", detail, retryable: false }
  return new ConnectionError({ reason: "MissingExtension", file, ...facts, cure: cureOfBroken(broken) })
}
