import { Readable } from 'node:stream'
import type { ProxyContext } from '../context.js'
import type { Headers } from '../http/fields.js'
import { WholeBody } from '../http/response.js'
import type { Phases } from './phases.js'
import type { Transport } from './transport/transport.js'

/** The attempt that the body belongs to. */
export interface BodyOwner {
  /** Monotonic milliseconds. */
  readonly now: number
  deliver(body: Readable | WholeBody): void
  /** Called when downstream has destroyed the body before its end. */
  onBodyDropped(error: Error | null): void
}

/** Number of bytes that a stream buffers before the gateway stops reading from the backend. */
const BUFFER_BYTES = 64 * 1024

/** A body of which the first part may have come. */
export interface BatchedBody {
  /** Delivers the body as a stream, unless it was delivered before. */
  open(): void
}

/**
 * Opens bodies at the end of a turn of the event loop: everything that arrived together, perhaps the whole body, is
 * parsed in the same turn. One pass over all bodies costs less than a microtask for each.
 */
export class BodyBatcher {
  #bodies: BatchedBody[] = []

  add(body: BatchedBody): void {
    if (this.#bodies.push(body) === 1) setImmediate(this.#openAll)
  }

  readonly #openAll = (): void => {
    const bodies = this.#bodies
    this.#bodies = []
    for (const body of bodies) {
      try {
        body.open()
      } catch (error) {
        // The error is thrown outside this loop, so that the other bodies go on.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}

const batcher = new BodyBatcher()

/**
 * The body of a response on its way from the backend to downstream: whole where it came together with its head, and
 * otherwise a stream, which is read from the backend as fast as downstream takes it.
 */
export class ResponseBody implements BatchedBody {
  readonly #owner: BodyOwner
  readonly #context: ProxyContext
  readonly #transport: Transport
  readonly #phases: Phases
  /** Bytes that came together with the head; undefined once the body is delivered. */
  #early: Buffer[] | undefined = []
  #stream: Readable | undefined
  #isPaused = false
  #pausedAt = 0
  #pausedFor = 0

  /**
   * @param phases the phases of the attempt, of which the body is the last; its time does not run while downstream does
   * not read
   */
  constructor(owner: BodyOwner, context: ProxyContext, transport: Transport, phases: Phases) {
    this.#owner = owner
    this.#context = context
    this.#transport = transport
    this.#phases = phases
    batcher.add(this)
  }

  /** Whether the body was delivered as a stream. */
  get isStream(): boolean {
    return this.#stream !== undefined
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Milliseconds for which downstream did not read although the backend had sent bytes. */
  get pausedFor(): number {
    return this.#pausedFor + (this.#isPaused ? this.#owner.now - this.#pausedAt : 0)
  }

  push(chunk: Buffer): void {
    if (this.#early) this.#early.push(chunk)
    else this.#pass(chunk)
  }

  /** The backend's response has ended. */
  end(trailers: Headers): void {
    const early = this.#early
    if (early && this.#isWhole(early)) {
      this.#early = undefined
      this.#owner.deliver(new WholeBody(early.length === 1 ? (early[0] as Buffer) : Buffer.concat(early)))
      return
    }
    this.open()
    this.#context.downstream.trailers(trailers)
    this.#stream?.push(null)
  }

  /** Delivers the body as a stream, unless it was delivered before. */
  open(): void {
    const early = this.#early
    if (!early) return
    this.#early = undefined
    const stream = new Readable({
      highWaterMark: BUFFER_BYTES,
      read: () => {
        if (stream.readableLength === 0 && !this.#phases.isOver) this.#context.downstream.flushHead()
        if (this.#isPaused) this.#resume()
      },
      destroy: (error, done) => {
        if (!this.#phases.isOver) this.#owner.onBodyDropped(error)
        done(error)
      },
    })
    this.#stream = stream
    // The body may break before it has a reader, and an `error` without a listener would end the process.
    stream.on('error', () => {})
    this.#owner.deliver(stream)
    for (const chunk of early) this.#pass(chunk)
  }

  /** Breaks the stream off. The attempt has to be over. */
  destroy(error: Error): void {
    this.#stream?.destroy(error)
  }

  /** Whether these chunks are as much as the head has announced. */
  #isWhole(chunks: readonly Buffer[]): boolean {
    let length = 0
    for (const chunk of chunks) length += chunk.length
    return String(length) === this.#context.responseHead?.headers['content-length']
  }

  #pass(chunk: Buffer): void {
    const takesMore = this.#stream?.push(chunk)
    if (this.#phases.isOver) return
    if (takesMore === false) {
      this.#isPaused = true
      this.#pausedAt = this.#owner.now
      // The backend has nothing to do until downstream has read.
      this.#phases.suspend()
      this.#transport.pause()
    } else {
      this.#phases.restart()
    }
  }

  #resume(): void {
    this.#pausedFor = this.pausedFor
    this.#isPaused = false
    if (this.#phases.isOver) return
    this.#phases.restart()
    this.#transport.resume()
  }
}
