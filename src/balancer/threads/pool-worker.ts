import type { MessagePort } from 'node:worker_threads'
import { Channel } from '../../threads/channel.js'
import type { DecisionFilter, TimedDecision } from '../explain/decision.js'
import type { Explanation, Inquiry } from '../explain/explanation.js'
import type { Clock } from '../time/clock.js'
import type { PoolHandle, PoolUpdate, ToPoolControl, ToPoolMember, WorkerMessage } from './messages.js'

/** Milliseconds that a worker gets to answer a question; one whose event loop is busy for longer is passed over. */
const ANSWER_TIMEOUT_MS = 1000

/** A worker whose event loop has not turned for this long is silent. */
const SILENT_AFTER_MS = 5000

/** The part of a `Worker` of Node that the pool uses. */
export interface EndingThread {
  once(event: 'exit', listener: (code: number) => void): unknown
}

interface WorkerListener {
  heard(message: WorkerMessage): void
  /** The worker follows the pool no longer. */
  left(): void
  /** The worker has ended. */
  closed(reason: string | null): void
  /** A message could not be read, or its handling failed. */
  failed(error: Error): void
}

/** A worker of a pool that threads share, as the control plane sees it. */
export class PoolWorker {
  /** What the worker is given: as `workerData`, or in a message. */
  readonly handle: PoolHandle
  /** What has to be transferred together with the handle. */
  readonly transferList: MessagePort[]
  /** The latest revision that the worker has applied; -1 before it takes part. */
  applied = -1
  /** True while the worker is silent. */
  isSilent = false
  /** Number of requests that the worker had in flight when it ended. */
  cut = 0
  readonly #channel: Channel<ToPoolControl, ToPoolMember>
  readonly #listener: WorkerListener
  #hasLeft = false
  #hasEnded = false
  #beat = 0
  /** Monotonic milliseconds at which the worker's event loop was last seen to turn. */
  #turnedAt: number

  constructor(handle: Omit<PoolHandle, 'port'>, listener: WorkerListener, clock: Clock) {
    const { port1, port2 } = new MessageChannel()
    this.#listener = listener
    this.#turnedAt = clock.now()
    this.handle = { ...handle, port: port2 }
    this.transferList = [port2]
    this.#channel = new Channel<ToPoolControl, ToPoolMember>(
      port1,
      { news: (message) => listener.heard(message) },
      {
        onError: (error) => listener.failed(error),
        after: (delay, callback) => clock.after(delay, callback),
      },
    )
    port1.on('close', () => {
      this.#hasLeft = true
      listener.left()
    })
  }

  /** The number of the worker, from 0 on. A worker that has ended leaves its number to another one. */
  get number(): number {
    return this.handle.worker
  }

  /** Disconnects the worker when this thread ends: the requests that it had in flight are taken off the counts. */
  follow(worker: EndingThread): void {
    worker.once('exit', (code) => this.close(`its thread ended with exit code ${code}`))
  }

  /**
   * Disconnects the worker. It must be called only after its thread has ended.
   * @param reason why it ended, for people
   */
  close(reason: string | null = null): void {
    this.disconnect()
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#listener.closed(reason)
  }

  /** @internal Sends nothing more to the worker, which keeps its counts. */
  disconnect(): void {
    this.#channel.close()
  }

  /** True from the time that the worker takes part in the pool until it leaves the pool, or its thread ends. */
  get takesPart(): boolean {
    return this.applied !== -1 && !this.#hasLeft
  }

  /** @internal */
  send(update: PoolUpdate): void {
    this.#channel.tell('update', update)
  }

  /** @internal Asks for the latest decisions of this worker. @throws {ChannelError | AnswerError} */
  decisions(filter: DecisionFilter): Promise<TimedDecision[]> {
    return this.#channel.ask('decisions', filter, { timeout: ANSWER_TIMEOUT_MS })
  }

  /** @internal Asks what would happen to a request that came to this worker. @throws {ChannelError | AnswerError} */
  explain({ except, ...traits }: Inquiry): Promise<Explanation> {
    const rows = Array.from(except ?? [], ({ row }) => row)
    return this.#channel.ask('explain', { ...traits, except: rows }, { timeout: ANSWER_TIMEOUT_MS })
  }

  /**
   * @internal Notes the present beat of the worker. One that does not take part is given any time.
   * @param now monotonic milliseconds
   * @returns true if it is silent from now on
   */
  becameSilent(beat: number, now: number): boolean {
    if (beat !== this.#beat || !this.takesPart) this.#turnedAt = now
    this.#beat = beat
    const wasSilent = this.isSilent
    this.isSilent = now - this.#turnedAt >= SILENT_AFTER_MS
    return this.isSilent && !wasSilent
  }
}
