import type { MessagePort, Transferable } from 'node:worker_threads'
import {
  AnswerError,
  AnswerTimeoutError,
  type CarriedError,
  ChannelClosedError,
  carried,
  UnknownMessageError,
} from './errors.js'

/**
 * The messages that one side takes: for each name a function from the payload to the answer. Payloads and answers are
 * copied by the structured clone algorithm (https://html.spec.whatwg.org/#safe-passing-of-structured-data), so they
 * have no functions, and objects of classes become plain ones.
 */
export type Messages<M> = { [N in keyof M]: (payload: never) => unknown }

/** The payload of a message; undefined for a message that has none. */
type Payload<F> = F extends () => unknown ? undefined : F extends (payload: infer P) => unknown ? P : never

/** The answer to a message, which is undefined where it only says that the message was handled. */
type Answer<F> = F extends (payload: never) => infer A ? Awaited<A> : never

/** A function for each message that one side takes. It answers at once, or with a promise. */
export type Handlers<M extends Messages<M>> = {
  [N in keyof M]: (payload: Payload<M[N]>) => Answer<M[N]> | Promise<Answer<M[N]>>
}

/** What is sent over the port. An answer has the number of the message that it answers. */
type Sent =
  | { kind: 'tell'; name: string; payload: unknown }
  | { kind: 'ask'; name: string; payload: unknown; id: number }
  | { kind: 'answer'; id: number; answer: unknown }
  | { kind: 'error'; id: number; error: CarriedError }

/** A message that waits for its answer. */
interface Pending {
  name: string
  resolve(answer: unknown): void
  reject(error: Error): void
  cancelTimeout(): void
}

export interface ChannelOptions {
  /**
   * Called with what goes wrong in this thread where nobody waits for an answer: a handler failed for a message that
   * was told, or a message could not be read or has an unknown name.
   * @param name of the message; undefined if it is not known
   */
  onError(error: Error, name: string | undefined): void
  /** True if the open channel keeps this thread alive. */
  keepsAlive?: boolean
  /** Calls `callback` after `delay` milliseconds, and returns a function that cancels the call. For tests. */
  after?: (delay: number, callback: () => void) => () => void
}

/**
 * One end of a conversation between two threads over a message port. Each side tells the other something, or asks it
 * and gets an answer. `Own` are the messages that this side takes, `Other` those of the other side:
 *
 * ```ts
 * interface ToWorker { change(payload: Change): void }
 * interface ToControl { keySet(url: string): KeySet }
 * const worker = new Channel<ToControl, ToWorker>(port, { keySet: (url) => keySets.get(url) }, { onError })
 * await worker.ask('change', change, { timeout: 5000 })
 * ```
 *
 * Messages arrive in the order in which they were sent, and handlers begin in that order. A handler that returns a
 * promise does not hold up the messages behind its own.
 */
export class Channel<Own extends Messages<Own>, Other extends Messages<Other>> {
  readonly #port: MessagePort
  readonly #handlers: Handlers<Own>
  readonly #options: ChannelOptions
  readonly #after: NonNullable<ChannelOptions['after']>
  readonly #pending = new Map<number, Pending>()
  #lastId = 0
  #closed = false

  /** @param handlers own properties of one object; messages that have come already are handled in a later turn */
  constructor(port: MessagePort, handlers: Handlers<Own>, options: ChannelOptions) {
    this.#port = port
    this.#handlers = handlers
    this.#options = options
    this.#after = options.after ?? afterDelay
    port.on('message', (sent: Sent) => this.#receive(sent))
    port.on('messageerror', (error: Error) => options.onError(error, undefined))
    port.on('close', () => this.#end())
    // A listener for messages makes the port keep its thread alive.
    if (!options.keepsAlive) port.unref()
  }

  /** True once either side has closed the channel, or the other thread has ended. */
  get closed(): boolean {
    return this.#closed
  }

  /**
   * Sends a message that gets no answer. If the channel is closed, the message is lost, and so are those that the other
   * thread has not handled when it ends.
   * @param transfer objects within the payload that are handed over instead of copied, such as an ArrayBuffer
   * @throws {DOMException} DataCloneError, if the payload cannot be copied
   */
  tell<N extends keyof Other & string>(
    name: N,
    payload: Payload<Other[N]>,
    transfer: readonly Transferable[] = [],
  ): void {
    this.#send({ kind: 'tell', name, payload }, transfer)
  }

  /**
   * Sends a message and waits for its answer.
   * @param timeout milliseconds; an answer that comes later is dropped
   * @param transfer objects within the payload that are handed over instead of copied, such as an ArrayBuffer
   * @throws {AnswerError} with name, message and code of the error that the other side's handler threw
   * @throws {AnswerTimeoutError | ChannelClosedError}
   * @throws {DOMException} DataCloneError, if the payload cannot be copied
   */
  async ask<N extends keyof Other & string>(
    name: N,
    payload: Payload<Other[N]>,
    { timeout, transfer = [] }: { timeout: number; transfer?: readonly Transferable[] },
  ): Promise<Answer<Other[N]>> {
    if (this.#closed) throw new ChannelClosedError(name)
    const id = ++this.#lastId
    this.#send({ kind: 'ask', id, name, payload }, transfer)
    return new Promise((resolve, reject) => {
      const cancelTimeout = this.#after(timeout, () => {
        this.#pending.delete(id)
        reject(new AnswerTimeoutError(name, timeout))
      })
      this.#pending.set(id, { name, resolve: resolve as Pending['resolve'], reject, cancelTimeout })
    })
  }

  /** Ends the conversation. What waits for an answer is rejected at once, and what was sent before still arrives. */
  close(): void {
    this.#port.close()
    this.#end()
  }

  #end(): void {
    if (this.#closed) return
    this.#closed = true
    for (const { name, reject, cancelTimeout } of this.#pending.values()) {
      cancelTimeout()
      reject(new ChannelClosedError(name))
    }
    this.#pending.clear()
  }

  #send(sent: Sent, transfer: readonly Transferable[] = []): void {
    this.#port.postMessage(sent, transfer)
  }

  #receive(sent: Sent): void {
    if (sent.kind === 'tell') this.#handle(sent.name, sent.payload)
    else if (sent.kind === 'ask') this.#handle(sent.name, sent.payload, sent.id)
    else this.#settle(sent)
  }

  /** Handles a message, and answers it if it has a number. */
  async #handle(name: string, payload: unknown, id?: number): Promise<void> {
    try {
      if (!Object.hasOwn(this.#handlers, name)) throw new UnknownMessageError(name)
      const handler = this.#handlers[name as keyof Own] as (payload: unknown) => unknown
      const answer = await handler(payload)
      if (id !== undefined) this.#send({ kind: 'answer', id, answer })
    } catch (error) {
      if (id !== undefined) this.#send({ kind: 'error', id, error: carried(error) })
      else this.#options.onError(error instanceof Error ? error : new Error(String(error)), name)
    }
  }

  #settle(sent: Sent & { kind: 'answer' | 'error' }): void {
    const asked = this.#pending.get(sent.id)
    // The answer came after its timeout.
    if (!asked) return
    this.#pending.delete(sent.id)
    asked.cancelTimeout()
    if (sent.kind === 'answer') asked.resolve(sent.answer)
    else asked.reject(new AnswerError(sent.error))
  }
}

/** Does not keep the thread alive, as the port does not. */
function afterDelay(delay: number, callback: () => void): () => void {
  const timer = setTimeout(callback, delay).unref()
  return () => clearTimeout(timer)
}
