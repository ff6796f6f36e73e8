import { EventEmitter } from 'node:events'

/** Called with the error that a listener or an observer has thrown. */
export type OnObserverError = (error: unknown) => void

/**
 * Calls listeners, observers and the callbacks of lease requests. What they throw is reported and goes no further,
 * because the pool has other requests to serve.
 */
export class ObserverGuard {
  readonly #onError: OnObserverError

  constructor(onError: OnObserverError) {
    this.#onError = onError
  }

  /** Calls `notify`, and reports what it throws, or the rejection of a promise that it returns. */
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
      // The error callback, which may be a logger, may throw as well.
      warn(error)
    }
  }
}

/** Emits a warning of the process, which Node.js prints on standard error unless there is a listener for it. */
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
