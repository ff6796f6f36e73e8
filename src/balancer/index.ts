export type {
  AdminState,
  Backend,
  BackendPatch,
  BackendSpec,
  BackendView,
  Health,
  HostHeader,
} from './backend.js'
export { Balancer, type BalancerOptions, type Selector } from './balancer.js'
export { type Clock, systemClock } from './clock.js'
export * from './errors.js'
export type { LatencySummary } from './latency.js'
export type { Lease, Outcome } from './lease.js'
export { type PolicyName, policyNames } from './policies/index.js'
export type { Policy, PolicyConstructor } from './policies/policy.js'
export type { Registry, RegistryEvents } from './registry.js'
