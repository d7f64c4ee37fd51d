/** What a schema is: its objects as the catalog tells them, their fingerprint, and how two schemas differ. */
import { hash } from "node:crypto"

export interface SchemaObject {
  readonly kind: string
  readonly name: string
  readonly definition: string
}

/** How a live schema differs from the one that its migrations make. Each object is its kind and name: `index owners_name`. */
export interface SchemaDifference {
  /** Objects that the migrations make and the database does not have. */
  readonly missing: ReadonlyArray<string>
  /** Objects that are there, and are others. */
  readonly changed: ReadonlyArray<{
    /** Kind and name. */
    readonly object: string
    /** What the migrations make. */
    readonly expected: string
    /** What the database has. */
    readonly found: string
  }>
  /** Objects that no migration makes. By themselves they are no reason to refuse. */
  readonly extra: ReadonlyArray<string>
}

export const historyTable = "schema_migrations"

/**
 * Every object of the first schema of the search path that a migration can make, in one statement. With the search path
 * that schema alone, PostgreSQL prints names without it, so that a replay in another schema reads the same. What belongs
 * to an extension is left out, and so are the NOT NULL constraints that PostgreSQL 18 has names for.
 */
export const objectsStatement = `WITH ns AS (SELECT oid FROM pg_namespace WHERE nspname = current_schema()),
mine AS (SELECT c.* FROM pg_class c JOIN ns ON ns.oid = c.relnamespace
  WHERE c.relkind IN ('r','p','v','m','S','f','c') AND c.relname <> '${historyTable}'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('e','i')))
SELECT kind, name, coalesce(definition, '') AS definition FROM (
  SELECT 'relation' AS kind, relname::text AS name, concat_ws(' ', relkind::text, relpersistence::text, array_to_string(reloptions, ','),
    CASE WHEN relrowsecurity THEN 'RLS' END, CASE WHEN relforcerowsecurity THEN 'FORCE' END,
    CASE WHEN relispartition THEN 'PARTITION OF ' || (SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = o.oid) || ' ' || pg_get_expr(relpartbound, o.oid, true) END,
    CASE WHEN relkind IN ('v','m') THEN pg_get_viewdef(o.oid, true) WHEN relkind = 'p' THEN pg_get_partkeydef(o.oid)
      WHEN relkind = 'S' THEN (SELECT concat_ws(' ', format_type(seqtypid, NULL), seqstart, seqincrement, seqmin, seqmax, seqcycle) FROM pg_sequence s WHERE s.seqrelid = o.oid) END) AS definition FROM mine o
  UNION ALL SELECT 'column', o.relname || '.' || a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'NOT NULL' END,
      CASE WHEN a.attidentity <> '' THEN 'IDENTITY ' || a.attidentity::text WHEN a.attgenerated <> '' THEN 'GENERATED ' || pg_get_expr(d.adbin, d.adrelid, true) ELSE 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid, true) END,
      CASE WHEN a.attcollation <> t.typcollation THEN 'COLLATE ' || a.attcollation::regcollation::text END)
    FROM mine o JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE o.relkind IN ('r','p','f','c')
  UNION ALL SELECT 'constraint', o.relname || '.' || conname, pg_get_constraintdef(k.oid, true) || CASE WHEN EXISTS (SELECT FROM pg_trigger g WHERE g.tgconstraint = k.oid AND g.tgenabled <> 'O') THEN ' DISABLED' ELSE '' END
    FROM mine o JOIN pg_constraint k ON k.conrelid = o.oid WHERE k.contype <> 'n'
  UNION ALL SELECT 'index', x.relname::text, pg_get_indexdef(i.indexrelid, 0, true) || CASE WHEN i.indisvalid AND i.indisready AND i.indislive THEN '' ELSE ' INVALID' END
    FROM mine o JOIN pg_index i ON i.indrelid = o.oid JOIN pg_class x ON x.oid = i.indexrelid
  UNION ALL SELECT 'trigger', o.relname || '.' || tgname, pg_get_triggerdef(tr.oid, true) || ' ' || tgenabled::text FROM mine o JOIN pg_trigger tr ON tr.tgrelid = o.oid WHERE NOT tgisinternal
  UNION ALL SELECT 'rule', o.relname || '.' || rulename, pg_get_ruledef(r.oid, true) || ' ' || ev_enabled::text FROM mine o JOIN pg_rewrite r ON r.ev_class = o.oid WHERE o.relkind NOT IN ('v','m')
  UNION ALL SELECT 'policy', o.relname || '.' || polname, concat_ws(' ', polcmd::text, polpermissive::text, polroles::regrole[]::text, pg_get_expr(polqual, polrelid, true), pg_get_expr(polwithcheck, polrelid, true)) FROM mine o JOIN pg_policy p ON p.polrelid = o.oid
  UNION ALL SELECT 'function', p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', concat_ws(' ', p.prokind::text, l.lanname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), p.provolatile::text, p.proparallel::text, p.prosecdef::text, p.proisstrict::text, p.proleakproof::text, array_to_string(p.proconfig, ','), p.prosrc, pg_get_function_sqlbody(p.oid))
    FROM pg_proc p JOIN ns ON ns.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e','i'))
  UNION ALL SELECT 'type', t.typname::text, CASE t.typtype WHEN 'e' THEN 'ENUM ' || (SELECT string_agg(quote_literal(enumlabel), ',' ORDER BY enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid)
      WHEN 'd' THEN concat_ws(' ', 'DOMAIN', format_type(t.typbasetype, t.typtypmod), CASE WHEN t.typnotnull THEN 'NOT NULL' END, 'DEFAULT ' || t.typdefault, (SELECT string_agg(pg_get_constraintdef(k.oid, true), ' ' ORDER BY conname) FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype <> 'n'))
      ELSE 'RANGE ' || (SELECT format_type(rngsubtype, NULL) FROM pg_range r WHERE r.rngtypid = t.oid) END
    FROM pg_type t JOIN ns ON ns.oid = t.typnamespace WHERE t.typtype IN ('e','d','r') AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
) AS objects ORDER BY kind COLLATE "C", name COLLATE "C", definition COLLATE "C"`

export const objectsOf = (rows: ReadonlyArray<Readonly<Record<string, unknown>>>): ReadonlyArray<SchemaObject> =>
  rows.map(({ definition, kind, name }) => ({
    kind: String(kind),
    name: String(name),
    definition: String(definition)
  }))

/** SHA-256 over the objects, in hexadecimal. */
export const fingerprintOf = (objects: ReadonlyArray<SchemaObject>): string =>
  hash("sha256", objects.map(({ definition, kind, name }) => `${kind}\0${name}\0${definition}\0`).join(""), "hex")

export const titleOfObject = ({ kind, name }: SchemaObject): string => `${kind} ${name}`

/** A list of objects as the history keeps it, to tell ours from what others add later. */
export const namesOf = (objects: ReadonlyArray<SchemaObject>): string => JSON.stringify(objects.map(titleOfObject))

/** Reads what `namesOf` wrote; empty if something else wrote it. */
const namesIn = (kept: string): ReadonlySet<unknown> => {
  try {
    const names: unknown = JSON.parse(kept)
    return new Set(Array.isArray(names) ? names : [])
  } catch {
    return new Set()
  }
}

/** A column or a constraint on a table of ours changes that table; an index or a trigger of others does not. */
const isPartOf = (names: ReadonlySet<unknown>, { kind, name }: SchemaObject): boolean =>
  (kind === "column" || kind === "constraint") &&
  [...name.matchAll(/\./g)].some(({ index }) => names.has(`relation ${name.slice(0, index)}`))

/** Objects that are on a list that the history kept, and all others. */
export const divideBy = (kept: string | undefined, live: ReadonlyArray<SchemaObject>) => {
  const names = kept === undefined ? undefined : namesIn(kept)
  const isOurs = (object: SchemaObject) =>
    names === undefined || names.has(titleOfObject(object)) || isPartOf(names, object)
  return { ours: live.filter(isOurs), extra: live.filter((object) => !isOurs(object)).map(titleOfObject) }
}

/** Whether the live schema is the expected one, apart from what others added. */
export const isAsExpected = (expected: ReadonlyArray<SchemaObject>, live: ReadonlyArray<SchemaObject>): boolean =>
  fingerprintOf(divideBy(namesOf(expected), live).ours) === fingerprintOf(expected)

export const differenceOf = (
  expected: ReadonlyArray<SchemaObject>,
  live: ReadonlyArray<SchemaObject>
): SchemaDifference => {
  const found = new Map(live.map((object) => [titleOfObject(object), object.definition]))
  const wanted = new Set(expected.map(titleOfObject))
  return {
    missing: expected.map(titleOfObject).filter((title) => !found.has(title)),
    changed: expected.flatMap((object) => {
      const other = found.get(titleOfObject(object))
      return other === undefined || other === object.definition
        ? []
        : [{ object: titleOfObject(object), expected: object.definition, found: other }]
    }),
    extra: live.map(titleOfObject).filter((title) => !wanted.has(title))
  }
}

/** A difference in one line. */
export const describeDifference = ({ changed, extra, missing }: SchemaDifference): string =>
  [
    list("missing", missing),
    list(
      "changed",
      changed.map(({ expected, found, object }) =>
        found === `${expected} DISABLED`
          ? `${object} (disabled)`
          : found === `${expected} INVALID`
            ? `${object} (invalid)`
            : object
      )
    ),
    list("extra", extra)
  ]
    .filter((part) => part !== "")
    .join("; ")

const list = (what: string, objects: ReadonlyArray<string>): string =>
  objects.length === 0 ? "" : `${what}: ${objects.join(", ")}`
