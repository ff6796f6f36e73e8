import type { Backend } from '../backends/backend.js'
import type { Registry } from '../backends/registry.js'
import type { ChangingOptions } from '../changing-options.js'
import type { WorkerMessage } from './messages.js'

/** The parts of the control plane's pool that its workers work with. */
export interface ControlledPool {
  readonly registry: Registry
  readonly policy: string
  /** The options that have changed since the pool was made. */
  readonly options: ChangingOptions
  /** Handles what a worker has told of a backend. */
  heard(message: WorkerMessage, backend: Backend): void
  /** No worker knows a backend any more that was removed. */
  forgotten(backend: Backend): void
  /** A worker has ended, and its requests were taken off the counts. */
  freed(worker: number): void
}
