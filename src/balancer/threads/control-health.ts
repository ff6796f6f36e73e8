import type { Backend } from '../backends/backend.js'
import type { Registry } from '../backends/registry.js'
import type { Ejection } from '../health/ejection.js'
import type { ControlProbes } from './control-probes.js'
import type { WorkerMessage } from './messages.js'

/** Passive health in the control plane: it ejects and reinstates backends by what workers tell. */
export class ControlHealth {
  readonly #ejection: Ejection
  readonly #probes: ControlProbes
  readonly #registry: Registry

  constructor(ejection: Ejection, probes: ControlProbes, registry: Registry) {
    this.#registry = registry
    this.#ejection = ejection
    this.#probes = probes
  }

  /** Handles what a worker has told of a backend. */
  heard(message: WorkerMessage, backend: Backend): void {
    if (message.kind === 'probing') this.#probes.started(backend)
    if (message.kind !== 'failing' && message.kind !== 'answered') return
    // The worker did not know yet that the backend was ejected or reinstated meanwhile.
    if (message.ejections !== backend.ejections || message.isEjected !== backend.isEjected) return
    if (message.kind === 'failing') this.#ejection.condemn(backend)
    else this.#ejection.reset(backend)
  }

  /** A worker has ended: its probes have no result, and nobody is left who would end the residual load of its hedges. */
  freed(worker: number): void {
    this.#probes.freed(worker)
    for (const { counter } of this.#registry.list()) if (counter.residual !== 0) counter.clearResidual()
  }
}
