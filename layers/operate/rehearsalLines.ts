/** A rehearsal, for people and for programs. */
import { titleOf } from "../start/MigrationSource.ts"
import type { Rehearsal, RehearsedObject } from "./rehearse.ts"
import { bytesText, printable } from "./text.ts"

/** A rehearsal as one line of JSON, as `database-ready rehearse --json` prints it. What is undefined is null. */
export const rehearsalJson = (rehearsal: Rehearsal): string =>
  JSON.stringify({ ...rehearsal, schemaVersion: rehearsal.schemaVersion ?? null })

/** A rehearsal, line by line, as `database-ready rehearse` prints it. */
export const rehearsalLines = (rehearsal: Rehearsal): ReadonlyArray<string> => {
  const { adopted, applied, bytes, copyMs, database, integrity, lockedMs, notRehearsed, repeated, schema } = rehearsal
  const nothing = applied.length + repeated.length + adopted.length === 0
  return [
    `rehearsed  ${database}  schema ${rehearsal.schemaVersion ?? "none"}${nothing ? "  nothing was pending" : ""}`,
    `  copy       ${bytesText(bytes)} in ${copyMs} ms, in ${rehearsal.directory}; it is gone`,
    ...applied.map(
      (one) =>
        `  applied    ${printable(titleOf(one))}: ${one.executionTimeMs} ms, ${one.changedRows} ${one.changedRows === 1 ? "row" : "rows"} changed`
    ),
    ...repeated.map((title) => `  made       ${printable(title)}`),
    ...adopted.map((title) => `  took over  ${printable(title)}`),
    `  lock       ${lockedMs.length === 0 ? "no write lock would be taken" : `other writers would wait ${lockedMs.map((millis) => `${Math.ceil(millis)} ms`).join(", then ")}`}`,
    `  integrity  ${integrity.checked === "schema" ? "schema ok, pages not looked at" : "schema, pages and foreign keys ok"} (${integrity.because})`,
    ...schema.added.flatMap((object) => objectLines("added", object)),
    ...schema.changed.flatMap(({ before, object, sql }) => [
      ...objectLines("changed", { object, sql: before }),
      ...objectLines("to", { object, sql })
    ]),
    ...schema.removed.flatMap((object) => objectLines("removed", object)),
    "",
    "not rehearsed",
    ...notRehearsed.map((sentence) => `  ${sentence}`)
  ]
}

const objectLines = (what: string, { object, sql }: RehearsedObject): ReadonlyArray<string> => [
  "",
  `${what} ${printable(object)}`,
  ...printable(sql)
    .split("\n")
    .map((line) => `  ${line}`)
]
