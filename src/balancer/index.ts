export type {
  AdminState,
  Backend,
  BackendPatch,
  BackendSpec,
  BackendView,
  CheckResult,
  Health,
  HostHeader,
  Verdict,
} from './backend.js'
export { Balancer, type PoolView } from './balancer.js'
export { type Clock, systemClock } from './clock.js'
export * from './errors.js'
export type { LatencySummary } from './latency.js'
export type { Lease, Outcome } from './lease.js'
export type { BalancerOptions } from './options.js'
export type { PanicMode } from './panic.js'
export { type PolicyName, policyNames } from './policies/index.js'
export type { Policy, PolicyConstructor } from './policies/policy.js'
export type { Taker } from './queue.js'
export type { Registry, RegistryEvents } from './registry.js'
export type { Selector } from './selection.js'
