/** What `lint` makes of what SQLite refuses. */
import type { Found } from "../schema/LintCodes.ts"
import { culpritOf, type FileRun } from "../schema/LintRun.ts"
import { identifier, type Statement } from "../schema/SqlScript.ts"
import { cureOf } from "../sqlite/AppliedMigrations/Cures.ts"
import { cureOfMissing } from "../sqlite/MissingExtension.ts"
import type { Sqlite, SqliteFailure } from "../sqlite/Sqlite.ts"
import { stringIn } from "./doubleQuoted.ts"

export const blind = ({ line }: Pick<Statement, "line">, detail: string): Found => ({
  code: "not-replayed",
  line,
  message: `The migrations cannot run in memory from here on, so the rest was not looked at (${detail})`,
  remedy: cureOfMissing(detail) ?? "Correct what SQLite says, and look again."
})

/** What was found in the last place that was looked at may say already that it is the last. */
export const unseenAfter = (found: ReadonlyArray<Found>): ReadonlyArray<Found> =>
  found.some(({ code }) => code === "not-replayed" || code === "statement-fails")
    ? []
    : [
        {
          code: "not-replayed",
          line: Math.max(1, ...found.map(({ line }) => line)),
          message: "What follows was not looked at",
          remedy: "Correct that first, and look again."
        }
      ]

export const obstacle = (code: Found["code"], { line }: Statement, detail: string, remedy?: string): Found => ({
  code,
  line: Math.max(line, 1),
  message: capital(detail),
  remedy: remedy ?? "Remove the statement: all of a start's migrations are one transaction."
})

const capital = (sentence: string): string => sentence.charAt(0).toUpperCase() + sentence.slice(1)

export const doubleQuoted = ({ line, text: sql }: Statement, name: string): Found => {
  const at = sql.indexOf(identifier(name))
  return {
    code: "double-quoted-string",
    line: line + sql.slice(0, Math.max(at, 0)).split("\n").length - 1,
    message: `"${name}" is in double quotes, and there is no column of that name: this library's SQLite refuses it, others take it for a string`,
    remedy: `Write '${name}' if it is a string, or correct the name.`
  }
}

export const failed = (sqlite: Sqlite, statement: Statement, failure: SqliteFailure): Found => {
  const { detail } = failure
  const { line, text: sql } = statement
  if (cureOfMissing(detail) !== undefined) return blind(statement, detail)
  const [, object] = /^error in (.+) after drop column/.exec(detail) ?? []
  if (object !== undefined) {
    return {
      code: "dropped-column-used",
      line,
      message: `The ${object} uses the column, so SQLite refuses to drop it (${detail})`,
      remedy: `Drop the ${object} first, and make it again without the column where it is needed.`
    } satisfies Found
  }
  const [, broken] = /^error in ((?:view|trigger) .+?): no such/.exec(detail) ?? []
  if (broken !== undefined) {
    return {
      code: "broken-object",
      line,
      message: `The ${broken} names what is gone by now, so SQLite refuses this statement (${detail})`,
      remedy: `Drop the ${broken} at the beginning of the file, and make it again at its end.`
    } satisfies Found
  }
  const cure = cureOf(sqlite, sql, failure)
  return {
    code: "statement-fails",
    line,
    message: `SQLite refuses it in every database (${detail}); what follows was not looked at`,
    remedy: cure ?? "Correct the statement."
  }
}

export const broken = (run: FileRun, object: string, detail: string): Found => {
  const [, type = "", name = ""] = /^(view|trigger) (.*?)(?: of .*)?$/.exec(object) ?? []
  const [, first = name] = /^(.*?), /.exec(name) ?? []
  const known = run.end.objects.find((one) => one.type === type && one.name === first)
  const line = (known === undefined ? run.ran.at(-1)?.statement : culpritOf(run, known))?.line ?? 1
  const quoted = stringIn(detail)
  return quoted === undefined
    ? {
        code: "broken-object",
        line,
        message: `After this file no statement can use ${object} (${detail})`,
        remedy: `Drop it before what it names changes, and make it again with the new names.`
      }
    : {
        ...doubleQuoted({ line, text: "" }, quoted),
        message: `The ${object} has "${quoted}" in double quotes, and there is no column of that name: this library's SQLite refuses it, others take it for a string`
      }
}
