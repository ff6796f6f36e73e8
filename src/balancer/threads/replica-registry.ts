import { Backend } from '../backends/backend.js'
import { Registry } from '../backends/registry.js'
import { BackendGoneError, ControlledElsewhereError } from '../errors.js'
import { type KnownBackend, takeOver } from './messages.js'

/**
 * The backends of a pool in a worker. They follow those of the control plane, which alone adds, changes and removes
 * backends: every other change is refused here.
 */
export class ReplicaRegistry extends Registry {
  readonly #rows = new Map<number, Backend>()
  /** Called when a backend that drains has no request in flight any more. */
  onIdle: ((backend: Backend) => void) | undefined
  /** Called when a backend was ejected or reinstated. */
  onEjection: ((backend: Backend) => void) | undefined

  /** Returns the backend with this row; undefined where it was removed. */
  at(row: number): Backend | undefined {
    return this.#rows.get(row)
  }

  /** Takes over what the control plane knows of a backend. */
  follow(known: KnownBackend): void {
    const backend = this.#rows.get(known.row)
    if (!backend) {
      this.#begin(known)
      return
    }
    const { state, health, ejectedUntil } = backend
    this.change(backend, () => {
      takeOver(backend, known)
      if (backend.ejectedUntil?.getTime() !== ejectedUntil?.getTime()) this.onEjection?.(backend)
    })
    this.refresh()
    if (backend.state !== state) this.announce(backend.state === 'active' ? 'activated' : 'draining', backend)
    else if (backend.health !== health) this.announce('health', backend)
    else this.announce('updated', backend)
  }

  /** The name is looked up in this thread as well, but what checks found is the control plane's to say. */
  override setUnresolved(backend: Backend, reason: string | undefined): void {
    const { checked } = backend
    super.setUnresolved(backend, reason)
    if (backend.checked === checked) return
    this.change(backend, () => {
      backend.checked = checked
    })
  }

  /** Removes a backend. Requests in flight on it finish, or are cut at the end of the time of a drain. */
  leave(row: number): void {
    const backend = this.#rows.get(row)
    if (!backend) return
    this.#rows.delete(row)
    backend.state = 'draining'
    this.withdraw(backend)
    this.lingering.add(backend)
    this.announce('removed', backend)
  }

  /** Cuts the requests in flight on a backend. */
  cut(backend: Backend, why: string): void {
    backend.leases.cutAll(new BackendGoneError(backend.id, why), this.options.observerGuard)
  }

  /** @internal Tells that a backend without requests may have finished its drain. */
  override becameIdle(backend: Backend): void {
    if (backend.state === 'draining') this.onIdle?.(backend)
  }

  override add(): never {
    throw new ControlledElsewhereError()
  }

  override sync(): never {
    throw new ControlledElsewhereError()
  }

  override update(): never {
    throw new ControlledElsewhereError()
  }

  override drain(): never {
    throw new ControlledElsewhereError()
  }

  override activate(): never {
    throw new ControlledElsewhereError()
  }

  override remove(): never {
    throw new ControlledElsewhereError()
  }

  override setHealth(): never {
    throw new ControlledElsewhereError()
  }

  /** Limits and health are those that the control plane tells. */
  protected override followDefaults(): void {}

  #begin(known: KnownBackend): void {
    const memory = this.options.memory.backend(this.options.tunnelWeight, known.row)
    const origin = { origin: known.url, host: known.host }
    const backend = new Backend(known.id, origin, known.hostHeader, known.addedAt, memory)
    backend.shareSource = this.options.shareSource
    takeOver(backend, known)
    this.#rows.set(known.row, backend)
    if (backend.isEjected) this.onEjection?.(backend)
    this.insert(backend)
    this.announce('added', backend)
  }
}
