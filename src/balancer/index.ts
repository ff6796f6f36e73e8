export type { Backend } from './backends/backend.js'
export type { BackendView, CheckResult, Health, Verdict } from './backends/backend-view.js'
export type { Registry } from './backends/registry.js'
export type { RegistryEvents } from './backends/registry-options.js'
export type {
  AdminState,
  BackendPatch,
  BackendRecord,
  BackendSource,
  BackendSpec,
  ConfiguredBackend,
  HostHeader,
} from './backends/spec.js'
export { Balancer } from './balancer.js'
export * from './errors.js'
export type { Decision, DecisionFilter, DecisionKind } from './explain/decision.js'
export type { ExplainedBackend, Explanation, Inquiry } from './explain/explanation.js'
export type { PanicMode } from './health/panic.js'
export type { Lease } from './leases/lease.js'
export type { LeaseRequest } from './leases/lease-request.js'
export type { AnswerKind, Cause, Outcome } from './leases/outcome.js'
export type { OnObserverError } from './observer-guard.js'
export type { BalancerOptions } from './options.js'
export type { ConfigurableOptions, ConfigurationChange } from './pool-configuration.js'
export type { PoolView } from './pool-view.js'
export type { Budget } from './resilience/budget.js'
export type { HedgeAfter, Hedging, Wait } from './resilience/hedging.js'
export { type PolicyName, policyNames } from './selection/policies/index.js'
export type {
  CandidateScore,
  PickContext,
  Policy,
  PolicyConstructor,
  Preview,
} from './selection/policies/policy.js'
export type { Selector } from './selection/selector.js'
export type { StateKeeper, StateKeeperEvents } from './state/keeper.js'
export { openBalancer } from './state/open-balancer.js'
export type {
  BackendState,
  BackendStore,
  PoolState,
  Restored,
  StoredState,
  StoreRevision,
} from './state/store.js'
export type { LatencySummary } from './stats/latency.js'
export type { RefusalCode, RefusalCounts } from './stats/refusals.js'
export type { PoolHandle } from './threads/messages.js'
export type { PoolWorker } from './threads/pool-worker.js'
export type { PoolWorkers } from './threads/pool-workers.js'
export type { PoolWorkersEvents, WorkerChange } from './threads/worker-change.js'
export { type Clock, systemClock } from './time/clock.js'
