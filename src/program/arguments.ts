/**
 * Reads the command lines that supervisors and scripts write: `init` or `status`, then whole flags with plain values,
 * or the same from the environment. It imports nothing, so that such a start does not pay for the full parser.
 * Everything else goes to that parser. What is read here means the same there.
 */
export interface PlainArguments {
  readonly command: "init" | "status"
  readonly database: string | undefined
  readonly migrations: string | undefined
  readonly applicationId: string | undefined
  readonly onOpen: string | undefined
  readonly integrity: string | undefined
  readonly permissions: string | undefined
  readonly backups: string | undefined
  readonly timeout: string | undefined
  readonly trustedFilesystems: string | undefined
  readonly json: boolean
}

/** A plain value: a path without spaces at its ends that does not look like a flag. */
const path = /^[^\s-]([^\n]*\S)?$/
const flags = {
  database: { variable: "DATABASE_FILE", plain: path },
  migrations: { variable: "DATABASE_MIGRATIONS", plain: path },
  "application-id": { variable: undefined, plain: /^[1-9]\d{0,9}$/ },
  "on-open": { variable: "DATABASE_ON_OPEN", plain: path },
  integrity: { variable: "DATABASE_INTEGRITY", plain: /^(schema|quick|full|auto)$/ },
  permissions: { variable: "DATABASE_PERMISSIONS", plain: /^(owner|group)$/ },
  backups: { variable: "DATABASE_BACKUPS", plain: /^\d{1,6}$/ },
  timeout: { variable: "DATABASE_TIMEOUT", plain: /^\d{1,9}(ms|s|m|h)$/ },
  "trust-filesystem": { variable: "DATABASE_TRUST_FILESYSTEM", plain: /^\w[\w.-]*(,\w[\w.-]*)*$/ }
}
const shared = [
  "database",
  "migrations",
  "application-id",
  "on-open",
  "integrity",
  "permissions",
  "timeout",
  "trust-filesystem"
] as const
/** Only an initialization makes backups. */
const names = { init: [...shared, "backups"], status: shared } as const

/** Undefined for anything that is not plain. A flag counts before the environment, and may stand only once. */
export const plainArguments = (
  [command, ...rest]: ReadonlyArray<string>,
  environment: Readonly<Partial<Record<string, string>>>
): PlainArguments | undefined => {
  if (command !== "init" && command !== "status") return undefined
  const values: { [Name in keyof typeof flags]?: string | undefined } = {}
  let json = false
  const words = rest.values()
  for (const word of words) {
    if (word === "--json" && !json) {
      json = true
      continue
    }
    const name = names[command].find((name) => word === `--${name}`)
    const value = words.next().value
    if (name === undefined || value === undefined || values[name] !== undefined) return undefined
    values[name] = value
  }
  for (const name of names[command]) {
    const { plain, variable } = flags[name]
    values[name] ??= variable === undefined ? undefined : environment[variable]
    const value = values[name]
    if (value !== undefined && !plain.test(value)) return undefined
  }
  // PostgreSQL has flags of its own, and takes longer than the parser.
  if (/^[a-z][a-z+]*:\/\//i.test(values.database ?? environment["DATABASE_URL"] ?? "")) return undefined
  const {
    "application-id": applicationId,
    backups,
    database,
    integrity,
    migrations,
    "on-open": onOpen,
    permissions,
    timeout,
    "trust-filesystem": trustedFilesystems
  } = values
  return {
    command,
    database,
    migrations,
    applicationId,
    onOpen,
    integrity,
    permissions,
    backups,
    timeout,
    trustedFilesystems,
    json
  }
}
