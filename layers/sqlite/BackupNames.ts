/**
 * The names of backups, and the order that follows from them. File times cannot tell it: clocks step back, and copying
 * a directory gives new times.
 */

/** Between which versions an upgrade goes, as the history writes them; from `none` where there was no history. */
export interface Upgrade {
  /** The version before; undefined where there was no history. */
  readonly from: string | undefined
  /** The version after. */
  readonly to: string
}

/** `FILE.001-to-002.backup`, or `FILE.001-to-002.3.backup` where the versions alone do not tell the order. */
export interface BackupName extends Upgrade {
  /** 1 without a number. One with a higher number was made later. */
  readonly number: number
}

const pattern = /^\.(none|\d+)-to-(\d+)(?:\.([2-9]|[1-9]\d+))?\.backup$/

/** Reads what follows the name of the database. Undefined for a file that no upgrade of ours named. */
export const parseBackupName = (suffix: string): BackupName | undefined => {
  const [, from = "", to = "", number = "1"] = pattern.exec(suffix) ?? []
  if (to === "") return undefined
  const name = { from: from === "none" ? undefined : from, to, number: Number(number) }
  return startOf(name) < BigInt(to) ? name : undefined
}

export const formatBackupName = ({ from = "none", number, to }: BackupName): string =>
  `.${from}-to-${to}${number === 1 ? "" : `.${number}`}.backup`

/** A database without a history is the oldest. */
const startOf = ({ from }: Upgrade): bigint => (from === undefined ? -1n : BigInt(from))

/**
 * Whether the names prove that one backup is older. Without numbers, the earlier upgrade must end at or before the
 * start of the later one. `001-to-003` and `002-to-003` prove nothing: an older backup was restored in between, and
 * which upgrade came first is unknown.
 */
export const isOlder = (one: BackupName, other: BackupName): boolean => {
  if (one.number !== other.number) return one.number < other.number
  return one.number === 1 && BigInt(one.to) <= startOf(other)
}

/** The name of the next backup: all existing ones are older by it. */
export const nextBackupName = (upgrade: Upgrade, there: ReadonlyArray<BackupName>): BackupName => {
  const plain = { ...upgrade, number: 1 }
  return there.every((name) => isOlder(name, plain))
    ? plain
    : { ...upgrade, number: Math.max(...there.map(({ number }) => number)) + 1 }
}

/** Those that may be the newest: no other is known to be newer. */
export const newestCandidates = <A extends BackupName>(backups: ReadonlyArray<A>): ReadonlyArray<A> =>
  backups.filter((backup) => !backups.some((other) => isOlder(backup, other)))

/** Those with at least `kept` others known to be newer. */
export const superseded = <A extends BackupName>(backups: ReadonlyArray<A>, kept: number): ReadonlyArray<A> =>
  backups.filter((backup) => backups.filter((other) => isOlder(backup, other)).length >= kept)

/** An order in which every backup comes after those that are known to be newer. */
export const newestFirst = (one: BackupName, other: BackupName): number =>
  other.number - one.number || compare(other, one)

const compare = (one: BackupName, other: BackupName): number => {
  const difference = BigInt(one.to) - BigInt(other.to) || startOf(one) - startOf(other)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

/** The time in the name of a copy, or of what a restore replaced, such as `20261127T163000123Z`. */
export const compactTime = (millis: number): string => new Date(millis).toISOString().replace(/\W/g, "")

/** Milliseconds since the epoch; undefined for what is no such time. */
export const millisOf = (compact: string): number | undefined => {
  const [, year, month, day, hour, minute, second, milli] =
    /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})(\d{3})Z$/.exec(compact) ?? []
  const millis = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${milli}Z`)
  return Number.isNaN(millis) ? undefined : millis
}

/** What follows the name of the database in the name of a copy that was asked for: `.TIME.backup`. */
export const formatCopyName = (at: number, ending = ""): string => `.${compactTime(at)}.backup${ending}`

/** When such a copy was begun; undefined for another name. `compressed`: whether it may end as a compressed one does. */
export const copyTimeIn = (suffix: string, compressed = false): number | undefined => {
  const [, time = "", ending] = /^\.(\d{8}T\d{9}Z)\.backup(\.gz|\.zst)?$/.exec(suffix) ?? []
  return ending === undefined || compressed ? millisOf(time) : undefined
}

/** Unfinished ones, with SQLite's files beside them. */
export const unfinishedCopy = /^\.\d{8}T\d{9}Z\.backup(?:\.gz|\.zst)?\.partial(?:-journal|-wal|-shm)?$/
