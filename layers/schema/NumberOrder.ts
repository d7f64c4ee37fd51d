/**
 * Whether numbers say in which order migrations run. Times need the same number of digits for that: as numbers 20240313
 * is below 20240306170000, and as text above it. Some tools compare numbers, some versions as text, and some whole names.
 */

/** A migration by its name. */
export interface Titled {
  /** Digits alone. */
  readonly version: string
  readonly name: string
}

/** Two migrations whose order is not clear, and what to call one of them so that it is. */
export interface UnclearOrder<A> {
  readonly one: A
  readonly other: A
  /** The one to rename. */
  readonly shorter: A
  readonly title: string
}

/** A number with fewer digits counts migrations, whatever it is. */
const leastDigits = 8
/** More than any number has: 15 digits, and a time of day behind them. */
const width = 24

interface Timed<A> {
  readonly one: A
  /** The time as far as it is written, behind the number too. */
  readonly time: string
  readonly rest: string
}

/**
 * The first two whose order is not clear. `ordered` is in the order of the numbers. Of two times with as many digits the
 * order is clear; of others, where the shorter one is earlier than what the longer one begins with.
 */
export const unclearOrderOf = <A extends Titled>(ordered: ReadonlyArray<A>): UnclearOrder<A> | undefined => {
  const times = ordered.flatMap((one) => timedOf(one) ?? [])
  let latest: Timed<A> | undefined
  for (const timed of times) {
    const isLonger = latest !== undefined && latest.time.length !== timed.time.length
    if (latest !== undefined && (isLonger ? endOf(latest) >= startOf(timed) : latest.time > timed.time)) {
      return unclear(latest, timed, Math.max(...times.map(({ time }) => time.length)))
    }
    if (latest === undefined || endOf(timed) > endOf(latest)) latest = timed
  }
  return undefined
}

/** The new number has as many digits as the longest of the directory, so that no file is renamed twice for it. */
const unclear = <A extends Titled>(one: Timed<A>, other: Timed<A>, digits: number): UnclearOrder<A> => {
  // A time that goes on behind its number is to be whole in it.
  const isWhole = ({ one: { version }, time }: Timed<A>) => Number(version) === Number(time)
  const shorter = [one, other].find((timed) => !isWhole(timed)) ?? (one.time.length < other.time.length ? one : other)
  const title = `${shorter.time.padEnd(digits, "0")}_${shorter.rest}`
  return { one: one.one, other: other.one, shorter: shorter.one, title }
}

/** `NNN_name` with the whole time as its number, where the name goes on with it; undefined where it does not. */
export const wholeTitleOf = (one: Titled): string | undefined => {
  const { rest = "", time = "" } = timedOf(one) ?? {}
  return time === "" || Number(time) === Number(one.version) ? undefined : `${time}_${rest}`
}

const startOf = ({ time }: Timed<unknown>): string => time.padEnd(width, "0")
const endOf = ({ time }: Timed<unknown>): string => time.padEnd(width, "9")

const timedOf = <A extends Titled>(one: A): Timed<A> | undefined => {
  const version = one.version.replace(/^0+/, "")
  const [behind = "", ...more] = continued(version, one.name) ?? []
  const time = [version, ...more].join("")
  return time.length < leastDigits ? undefined : { one, time, rest: one.name.slice(behind.length) }
}

/** What of a name belongs to the time before it: `170000_` behind a day, `03_13_170000_` behind a year. */
const continued = (version: string, name: string): ReadonlyArray<string> | undefined => {
  const found = isDay.test(version) ? timeOfDay.exec(name) : isYear.test(version) ? dayOfYear.exec(name) : undefined
  return found?.map((part) => part ?? "")
}

const isYear = /^(?:19|20)\d\d$/
const isDay = /^(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$/
const timeOfDay = /^((?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?)[_-]+(?=.)/
const dayOfYear = /^(0[1-9]|1[0-2])[_-](0[1-9]|[12]\d|3[01])[_-]+(?:((?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?)[_-]+)?(?=.)/
