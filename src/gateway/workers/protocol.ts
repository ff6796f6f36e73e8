import type { MessagePort } from 'node:worker_threads'
import type { KeySetChange } from '../../auth/keys/key-set-replica.js'
import type { KeySet, NoKeys } from '../../auth/keys/key-set-source.js'
import type { PoolHandle } from '../../balancer/threads/messages.js'
import type { GatewayConfig } from '../../config/file/gateway-config.js'
import type { Settings } from '../../config/settings.js'
import type { RateCount } from '../../limits/rate-limit-counter.js'
import type { RouteDeltas } from '../../telemetry/metrics/route-meter.js'
import type { LogHandle } from '../logging/worker-logs.js'

/** A worker's part in each of several pools, by the name of the pool. */
export type PoolHandles = Record<string, PoolHandle>

/** What a worker is given when it starts. */
export interface WorkerStart {
  /** Number of the worker, from 0 on. */
  worker: number
  settings: Settings
  config: GatewayConfig
  pools: PoolHandles
  log: LogHandle
  /** The worker's end of the channel to the control plane. */
  port: MessagePort
}

/** Another configuration for a worker that runs. */
export interface NextConfig {
  config: GatewayConfig
  /** The pools that the worker does not have yet. */
  pools: PoolHandles
  /** The ports of the listeners, where another worker has opened them already. */
  ports: readonly number[] | undefined
}

/** What the control plane asks of a worker. */
export interface ToWorker {
  /**
   * Opens the traffic listeners, and answers their ports.
   * @param ports the ports, where another worker has opened them already
   * @throws {ListenError}
   */
  listen(ports: readonly number[] | undefined): readonly number[]
  /** Makes ready for another configuration, and answers the ports of its listeners. */
  prepare(next: NextConfig): readonly number[]
  /** Brings the configuration into force that was prepared. */
  commit(): void
  /** Gives up the configuration that was prepared, if there is one. */
  rollback(): void
  /** The keys of a URL have changed. */
  keysChanged(change: KeySetChange): void
  /**
   * Accepts no new connection, and finishes the requests in flight. Answers how many were cut.
   * @param timeout milliseconds after which the remaining requests are cut
   */
  finish(timeout: number): number
}

/** What a worker tells the control plane. */
export interface ToControl {
  /** The worker's app is ready, so that it can listen. */
  ready(): void
  /** Counts a request for a rate limit. Answers undefined where it could not be counted, which has been logged. */
  count(request: { key: string; window: number; max: number }): RateCount | undefined
  /** Asks for the keys of a URL. */
  keySet(url: string): KeySet | NoKeys
  /** Asks for the keys of a URL after a token named one that is not in those of the revision. */
  refreshedKeySet(known: { url: string; revision: number }): KeySet | NoKeys
  /** What the worker has counted for each route since it told this last. */
  routeCounts(deltas: RouteDeltas): void
}
