/** Addresses of callers, as far as they tell one caller from another. */
import { isIPv6 } from "node:net"

/**
 * The key of one caller: an IPv4 address, or the first 64 bits of an IPv6 address, because one host has all the rest
 * (RFC 4291, 2.5.1; RFC 6177). An IPv4 address written as IPv6 is the same caller.
 */
export const callerOf = (address: string): string => {
  // Most addresses. The check of the other kind takes as long as all else that is done for a new connection.
  if (!address.includes(":")) return address
  const [plain = ""] = address.split("%")
  const [, mapped] = /^(?:0*:)*:ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain) ?? []
  if (mapped !== undefined) return mapped
  if (!isIPv6(plain)) return plain
  const [before = "", after] = plain.split("::")
  const head = groupsOf(before)
  const tail = after === undefined ? [] : groupsOf(after)
  const groups =
    after === undefined ? head : [...head, ...Array(Math.max(0, 8 - head.length - tail.length)).fill("0"), ...tail]
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`
}

/** The last group may be an IPv4 address, which stands for two groups. */
const groupsOf = (part: string): ReadonlyArray<string> =>
  part === "" ? [] : part.split(":").flatMap((group) => (group.includes(".") ? ["0", "0"] : [group]))
