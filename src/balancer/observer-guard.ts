import { EventEmitter } from 'node:events'

/** Called with the error that a listener or an observer has thrown. */
export type OnObserverError = (error: unknown) => void

/**
 * Calls listeners, observers, and those who take a lease. What they throw is reported and goes no further, as the pool
 * has others to serve.
 */
export class ObserverGuard {
  readonly #onError: OnObserverError

  constructor(onError: OnObserverError) {
    this.#onError = onError
  }

  /** Calls `notify`; a promise that it returns may be rejected, too. */
  call(notify: () => unknown): void {
    try {
      const result = notify()
      if (result instanceof Promise) result.catch((error) => this.complain(error))
    } catch (error) {
      this.complain(error)
    }
  }

  complain(error: unknown): void {
    try {
      this.#onError(error)
    } catch {
      // The callback, a logger for example, may be what throws.
      warn(error)
    }
  }
}

/** Emits a warning of the process, which Node prints on standard error unless somebody listens. */
export function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error))
}

/** An event emitter whose listeners are all called, even where one of them throws. */
export class GuardedEmitter<E extends { [K in keyof E]: unknown[] }> extends EventEmitter<E> {
  readonly #observerGuard: ObserverGuard

  constructor(observerGuard: ObserverGuard) {
    super()
    this.#observerGuard = observerGuard
  }

  protected announce<K extends keyof E & string>(event: K, ...args: E[K]): void {
    // biome-ignore lint/suspicious/noExplicitAny: the types of an emitter do not follow a generic event
    for (const listener of this.rawListeners(event as any)) {
      this.#observerGuard.call(() => Reflect.apply(listener, this, args))
    }
  }
}
