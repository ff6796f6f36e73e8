import type { Backend } from '../backends/backend.js'
import type { PolicyName } from './policies/index.js'

/** The policy in force, as `balancer.selector` shows it. */
export interface Selector {
  readonly name: PolicyName
  /** Returns the backend that the policy chooses now. It takes no lease: use `acquire` for a request. */
  pick(): Backend | undefined
}
