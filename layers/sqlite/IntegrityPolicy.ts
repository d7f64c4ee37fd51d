/** How far the integrity stage looks. */

/**
 * The values of `IntegrityPolicy`: how far the integrity stage looks. For the choices of a flag or a setting.
 *
 * - `schema`: the schema fingerprint; costs the same for every size.
 * - `quick`: also `quick_check` and `foreign_key_check`, which read the whole file (about 3 s per GB), and that every
 *   view and trigger compiles.
 * - `full`: also `integrity_check`, which compares indexes with tables (about 30 s per GB).
 * - `auto`: `quick` after a migration, a takeover or an unclean shutdown, where commits are missing, and for files up to
 *   1 MiB; else `schema`.
 *
 * What the checks are: https://sqlite.org/pragma.html#pragma_integrity_check.
 */
export const integrityPolicies = ["schema", "quick", "full", "auto"] as const
/** How far the integrity stage looks: `schema`, `quick`, `full` or `auto`. `integrityPolicies` says what each does and costs. */
export type IntegrityPolicy = (typeof integrityPolicies)[number]
