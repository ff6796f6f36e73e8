import { EventEmitter } from 'node:events'

/** Is told what was thrown by somebody who is only told things. */
export type OnObserverError = (error: unknown) => void

/**
 * Calls those who are only told things: listeners, and whoever takes a lease. What they throw is told and goes no
 * further, as the pool has others to serve.
 */
export class ObserverGuard {
  readonly #onError: OnObserverError

  constructor(onError: OnObserverError) {
    this.#onError = onError
  }

  /** Calls `tell`; a promise that it returns may be rejected, too. */
  call(tell: () => unknown): void {
    try {
      const told = tell()
      if (told instanceof Promise) told.catch((error) => this.complain(error))
    } catch (error) {
      this.complain(error)
    }
  }

  complain(error: unknown): void {
    try {
      this.#onError(error)
    } catch {
      // Whoever is told of it, as a logger, may be the one that throws.
      warn(error)
    }
  }
}

/** Says it on standard error, where there is nobody else to tell. */
export function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error))
}

/** Emits events so that a listener that throws keeps no other from hearing of them. */
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
