/** What a code of PostgreSQL means and what to do about it, whatever statement it came from. */
import type { Meaning } from "../start/TaggedRefusal.ts"

interface Coded {
  readonly code: string
}

/** By the classes of SQLSTATE: 53 is a lack of resources, 58 a failure of the system below the server. */
export const ofPostgres = ({ code }: Coded): Meaning => {
  if (/^(53|58)/.test(code)) return "inputOutput"
  return code === "42501" ? "permission" : "data"
}

/** What to do about the code; what else where a code has many causes. */
export const remedyOr =
  (otherwise: string) =>
  ({ code }: Coded): string =>
    remedies[code] ?? otherwise

const remedies: Readonly<Record<string, string | undefined>> = {
  "42501": "Give the role the privilege that the message names, or start as the owner of the tables.",
  "53100": "Free some space on the server's disk, then start again.",
  "58030": "Check the server's disk and its log, then start again.",
  XX001: "Stop the server and check its disk and its log. Then restore the database from a backup."
}
