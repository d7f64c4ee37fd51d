/** What `lint` says of the copy of a table that is rebuilt. */
import type { Found } from "./LintCodes.ts"
import { type FileRun, found, isNamed, type Life, type Ran, successorOf } from "./LintRun.ts"
import { affinityOf, type ColumnFacts, type TableFacts } from "./SchemaFacts.ts"
import { foldName, mentions } from "./SqlScript.ts"
import { plainColumn } from "./StatementShape.ts"

/** A table that was dropped and made again under its name. */
export interface Remade {
  readonly then: TableFacts
  readonly now: TableFacts
  readonly old: Life
  readonly life: Life
  readonly drop: Ran
}

export const remadeTables = (run: FileRun, lives: ReadonlyArray<Life>): ReadonlyArray<Remade> =>
  lives.flatMap((old) => {
    const { dropped: drop, origin } = old
    if (drop === undefined || origin === undefined) return []
    const [then, now] = [run.start.tables.get(origin), run.end.tables.get(origin)]
    const life = successorOf(origin, lives)
    return then && now && life ? [{ then, now, old, life, drop }] : []
  })

/** Which column, or undefined for an expression, goes into which; undefined if that cannot be told. */
const mappingOf = ({ shape }: Ran, then: TableFacts, now: TableFacts) => {
  if (shape.kind !== "insert" || shape.selected === undefined) return undefined
  const targets = shape.columns ?? now.columns.filter(({ hidden }) => hidden === 0).map(({ name }) => foldName(name))
  const items = shape.selected.map(plainColumn)
  const isStar = items.length === 1 && items[0] === "*"
  // Generated columns among them, which an INSERT leaves out.
  const sources: ReadonlyArray<string | undefined> = isStar ? then.columns.map(({ name }) => foldName(name)) : items
  return sources.includes("*") || sources.length !== targets.length
    ? undefined
    : { isStar, pairs: targets.map((target, at) => ({ target, source: sources[at] })) }
}

/** The columns of the old table that a copy puts into these; undefined if one is computed. */
export const sourcesOf = (
  columns: ReadonlyArray<string | null>,
  copy: Ran,
  then: TableFacts,
  now: TableFacts
): ReadonlyArray<string> | undefined => {
  const mapping = mappingOf(copy, then, now)
  const found = columns.flatMap((column) => {
    const source =
      column === null ? undefined : mapping?.pairs.find(({ target }) => target === foldName(column))?.source
    return source === undefined ? [] : [source]
  })
  return found.length === columns.length ? found : undefined
}

const byName = "Name the columns on both sides: INSERT INTO new (a, b) SELECT a, b FROM old."

/** What a copy does with each column. */
export const copied = ({ now, old, then }: Remade, copy: Ran): ReadonlyArray<Found> => {
  const { statement } = copy
  const mapping = mappingOf(copy, then, now)
  if (mapping === undefined) return []
  const findings: Array<Found> = []
  if (mapping.isStar) {
    const moved = mapping.pairs.find(
      ({ source, target }) => source !== target && mapping.pairs.some((other) => other.target === source)
    )
    findings.push(
      moved === undefined
        ? found(
            "insert-select-star",
            statement,
            `SELECT * copies ${then.name} by position, so another order of columns would mix them up without an error`,
            byName
          )
        : found(
            "columns-mixed-up",
            statement,
            `SELECT * goes by position: ${then.name}.${moved.source} goes into ${moved.target}`,
            byName
          )
    )
  }
  const isFiltered = /\bwhere\b/i.test(statement.text)
  for (const { source, target } of mapping.pairs) {
    const from = source === undefined ? undefined : then.columns.find(isNamed(source))
    const to = now.columns.find(isNamed(target))
    if (from === undefined || to === undefined) continue
    if (isUnconverted(from, to)) {
      findings.push(
        found(
          "type-change",
          statement,
          `${then.name}.${from.name} was ${from.type} and becomes ${to.type}, and the copy does not convert it: ${now.isStrict ? "a value of another type fails" : "a value that does not look like one stays as it is"}`,
          `Convert it: CAST(${from.name} AS ${affinityOf(to.type)}), or correct the rows first.`
        )
      )
    }
    // SQLite lets a primary key be NULL unless it is the rowid, and nobody writes one.
    const wasRequired = from.notNull || from.key > 0
    const isMended = old.changes.some(({ statement: { text } }) => mentions(text, foldName(from.name)))
    if (to.notNull && !wasRequired && !isFiltered && !isMended) {
      findings.push(
        found(
          "not-null-on-existing",
          statement,
          `${then.name}.${from.name} may be NULL, and the new column may not: one such row and the copy fails`,
          `Give such rows a value: coalesce(${from.name}, ...).`
        )
      )
    }
  }
  return findings
}

/** Affinity converts what looks like a number, and leaves the rest (https://sqlite.org/datatype3.html, 3). */
const isUnconverted = (from: ColumnFacts, to: ColumnFacts): boolean => {
  const [before, after] = [affinityOf(from.type), affinityOf(to.type)]
  if (after === "INTEGER" || after === "REAL") return before === "TEXT" || (before === "BLOB" && from.type !== "")
  return (
    (before === "TEXT" && after === "BLOB" && to.type !== "") ||
    (before === "BLOB" && after === "TEXT" && from.type !== "")
  )
}
