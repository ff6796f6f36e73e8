import type { MessagePort } from 'node:worker_threads'
import type { PoolHandle } from '../../balancer/threads/messages.js'
import type { Settings } from '../../config/settings.js'
import type { LogHandle } from '../logging/worker-logs.js'

/** What a worker is given when it starts. */
export interface WorkerStart {
  /** Number of the worker, from 0 on. */
  worker: number
  settings: Settings
  pool: PoolHandle
  log: LogHandle
  /** The worker's end of the channel to the control plane. */
  port: MessagePort
}

/** What the control plane asks of a worker. */
export interface ToWorker {
  /**
   * Opens the traffic listener, and answers its port.
   * @throws {ListenError}
   */
  listen(port: number): number
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
}
