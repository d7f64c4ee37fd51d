/** Every policy by its name. A new one is a file in `policies/` and a line here. */
import type { Policy } from "./Candidate.ts"
import { diverse } from "./policies/diverse.ts"
import { named } from "./policies/named.ts"
import { newest } from "./policies/newest.ts"
import { pinned } from "./policies/pinned.ts"
import { relevant } from "./policies/relevant.ts"
import { whole } from "./policies/whole.ts"

export const policyNames = ["diverse", "named", "newest", "pinned", "relevant", "whole"] as const

export type PolicyName = (typeof policyNames)[number]

export const policies: Readonly<Record<PolicyName, Policy>> = { diverse, named, newest, pinned, relevant, whole }

/** The policy of a request that names none. */
export const usualPolicy: PolicyName = "diverse"

/** How many passages that match the question a policy chooses from, within so many tokens. */
export const candidatesFor = (policy: PolicyName, budget: number): number =>
  Math.max(policies[policy].from.includes("matchingFiles") ? fewestOfFiles : fewest, Math.ceil(budget / 100))

/**
 * A passage has about 250 tokens; many have less. With 200 instead of 100 the table of recall and precision is the same,
 * and choosing takes longer. To find whole files takes more.
 */
export const fewest = 100
const fewestOfFiles = 200
