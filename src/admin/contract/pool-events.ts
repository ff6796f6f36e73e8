import type { FleetChange } from '../../balancer/fleet/fleet-view.js'
import type { GatewayView } from '../../balancer/fleet/gateway-directory.js'
import type { BackendView, PolicyName, PoolView, RegistryEvents } from '../../balancer/index.js'
import type { WorkerChange } from '../../balancer/threads/worker-change.js'
import type { ReloadOutcome } from './config.js'

/** Data of the event `snapshot` of `GET /events`. */
export interface PoolSnapshot {
  /** Time of the snapshot by the gateway's clock, in ISO 8601. */
  at: string
  pool: PoolView
  /** The backends in order of registration. */
  backends: BackendView[]
  /** The gateways that share the store; left out where there is none. */
  gateways?: GatewayView[]
}

/** A kind of change in a pool. */
export type PoolChangeType = keyof RegistryEvents | 'policy' | 'worker' | 'reload' | 'store' | 'gateway'

/** Data of the event `change` of `GET /events`. */
export interface PoolChange {
  /** Time of the change by the gateway's clock, in ISO 8601. */
  at: string
  type: PoolChangeType
  /** The backend after the change; null if the pool as a whole changed. */
  backend: BackendView | null
  /** For `cut`: number of requests in flight that were cut. */
  requests?: number
  /** For `panic`: true if the pool ignores health from now on. */
  panic?: boolean
  /** For `policy`: the policy that applies from now on. */
  policy?: PolicyName
  /** For `worker`: what happened to a worker thread. */
  worker?: WorkerChange
  /** For `store` and `gateway`: what has changed about the store or the gateways that share it. */
  fleet?: FleetChange
  /** For `reload`: what loading the gateway's file again did. */
  reload?: ReloadOutcome
}
