import type { Backend } from '../backends/backend.js'
import type { ScheduledProbes } from '../health/passive-health.js'
import { probeWord, SharedProbes } from './shared-probes.js'

/** The probes of ejected backends in the control plane, which makes them due, and has no requests of its own. */
export class ControlProbes extends SharedProbes implements ScheduledProbes {
  readonly #cancelTimers = new Map<Backend, () => void>()

  schedule(backend: Backend, ejectionMs: number): void {
    this.end(backend)
    this.ejected.add(backend)
    this.#after(backend, ejectionMs, () => this.#makeDue(backend, probeWord.none))
  }

  /** A worker probes the backend. A slow upload or a silent stream must not keep the backend out. */
  started(backend: Backend): void {
    if (!this.ejected.has(backend)) return
    this.#after(backend, this.pool.baseMs, () => this.restart(backend))
  }

  restart(backend: Backend): void {
    const state = this.stateOf(backend)
    if (state >= probeWord.taken) this.#makeDue(backend, state)
  }

  /** Makes the backends due again that a worker probed which has ended. */
  freed(worker: number): void {
    for (const backend of this.ejected)
      if (this.stateOf(backend) === probeWord.taken + worker) this.restart(backend)
  }

  end(backend: Backend): void {
    this.#cancelTimers.get(backend)?.()
    this.#cancelTimers.delete(backend)
    this.ejected.delete(backend)
    // A worker may take the probe meanwhile.
    while (!this.change(backend, this.stateOf(backend), probeWord.none));
  }

  close(): void {
    for (const cancelTimer of this.#cancelTimers.values()) cancelTimer()
    this.#cancelTimers.clear()
  }

  isProbe(): boolean {
    return false
  }

  take(): never {
    throw new Error('the control plane of a pool carries no request')
  }

  giveBack(): void {}

  start(): void {}

  #makeDue(backend: Backend, from: number): void {
    if (this.change(backend, from, probeWord.due)) this.wake()
  }

  #after(backend: Backend, delayMs: number, callback: () => void): void {
    this.#cancelTimers.get(backend)?.()
    this.#cancelTimers.set(backend, this.pool.clock.after(delayMs, callback))
  }
}
