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
