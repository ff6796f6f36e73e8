import type { MessagePort } from 'node:worker_threads'
import type { PoolHandle, PoolUpdate, WorkerMessage } from './messages.js'

/** The part of a `Worker` of Node that the pool uses. */
export interface EndingThread {
  once(event: 'exit', listener: () => void): unknown
}

interface WorkerListener {
  heard(message: WorkerMessage): void
  /** The worker follows the pool no longer. */
  left(): void
  /** The worker has ended. */
  closed(): void
}

/** A worker of a pool that threads share, as the control plane sees it. */
export class PoolWorker {
  /** What the worker is given: as `workerData`, or in a message. */
  readonly handle: PoolHandle
  /** What has to be transferred together with the handle. */
  readonly transferList: MessagePort[]
  /** The latest revision that the worker has applied; -1 before it takes part. */
  applied = -1
  /** True if the worker was found silent. */
  isSilent = false
  readonly #port: MessagePort
  readonly #listener: WorkerListener
  #hasLeft = false
  #beat = 0
  /** Monotonic milliseconds at which the worker's event loop was last seen to turn. */
  #turnedAt: number

  /** @param now monotonic milliseconds */
  constructor(handle: Omit<PoolHandle, 'port'>, listener: WorkerListener, now: number) {
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    this.#listener = listener
    this.#turnedAt = now
    this.handle = { ...handle, port: port2 }
    this.transferList = [port2]
    port1.on('message', (message: WorkerMessage) => listener.heard(message))
    port1.on('close', () => {
      this.#hasLeft = true
      listener.left()
    })
    port1.unref()
  }

  /** The number of the worker, from 0 on. A worker that has ended leaves its number to another one. */
  get number(): number {
    return this.handle.worker
  }

  /** Disconnects the worker when this thread ends: the requests that it had in flight are taken off the counts. */
  follow(worker: EndingThread): void {
    worker.once('exit', () => this.close())
  }

  /** Disconnects the worker. It must be called only after its thread has ended. */
  close(): void {
    this.disconnect()
    this.#listener.closed()
  }

  /** @internal Sends nothing more to the worker, which keeps its counts. */
  disconnect(): void {
    this.#port.close()
  }

  /** True from the time that the worker takes part in the pool until it leaves the pool, or its thread ends. */
  get takesPart(): boolean {
    return this.applied !== -1 && !this.#hasLeft
  }

  /** @internal */
  send(update: PoolUpdate): void {
    this.#port.postMessage(update)
  }

  /**
   * @internal Notes the present beat of the worker. One that does not take part is given any time.
   * @returns milliseconds for which its event loop has not turned
   */
  heardBeat(beat: number, now: number): number {
    if (beat !== this.#beat || !this.takesPart) this.#turnedAt = now
    this.#beat = beat
    return now - this.#turnedAt
  }
}
