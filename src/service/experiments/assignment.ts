/** Which policy a session has in an experiment: the same whenever somebody asks, by a hash. */
import { createHash } from "node:crypto"

/**
 * The policy of a session, by the shares; undefined if there are none. The seed is drawn for each experiment and told to
 * nobody. So a client that chooses the id of a session cannot choose its policy, and the next experiment divides the same sessions
 * in another way.
 */
export const policyOf = <P extends { readonly share: number }>(
  seed: string,
  sessionId: string,
  policies: ReadonlyArray<P>
): P | undefined => {
  const total = policies.reduce((sum, { share }) => sum + share, 0)
  const drawn = createHash("sha256").update(`${seed}\n${sessionId}`).digest().readUIntBE(0, 6) / 2 ** 48
  let rest = drawn * total
  const found = policies.find(({ share }) => {
    rest -= share
    return rest < 0
  })
  return found ?? policies.at(-1)
}
