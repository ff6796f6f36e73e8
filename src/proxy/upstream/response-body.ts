import { Readable } from 'node:stream'
import type { ProxyContext } from '../context.js'
import type { Headers } from '../http/fields.js'
import { WholeBody } from '../http/response.js'
import type { Phases } from './phases.js'
import type { Transport } from './transport/transport.js'

/** The attempt that the response body belongs to. */
export interface BodyOwner {
  /** The current time in monotonic milliseconds. */
  readonly now: number
  deliver(body: Readable | WholeBody): void
  /** Called when downstream has destroyed the body before the body had ended. */
  onBodyDropped(error: Error | null): void
}

/** Number of bytes that a stream buffers before the gateway stops reading from the backend. */
const BUFFER_BYTES = 64 * 1024

/** A response body that is not delivered yet, although its first part may have come. */
export interface BatchedBody {
  /** Delivers the body as a stream, unless it was delivered before. */
  open(): void
}

/**
 * Opens bodies at the end of a turn of the event loop, because everything that arrived together, perhaps the whole
 * body, is parsed in the same turn. One pass over all bodies costs less than a microtask for each body.
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
 * The body of a response on its way from the backend to downstream. It is delivered whole if it came together with its
 * head. Otherwise it is a stream, which is read from the backend as fast as downstream reads it.
 */
export class ResponseBody implements BatchedBody {
  readonly #owner: BodyOwner
  readonly #context: ProxyContext
  readonly #transport: Transport
  readonly #phases: Phases
  /** Chunks of the body that came before the body was delivered; undefined afterwards. */
  #early: Buffer[] | undefined = []
  #stream: Readable | undefined
  #isPaused = false
  #pausedAt = 0
  #pausedFor = 0

  /**
   * Begins with an empty body.
   * @param phases the phases of the attempt. The body is the last phase, and its time limit does not run while
   *   downstream does not read
   */
  constructor(owner: BodyOwner, context: ProxyContext, transport: Transport, phases: Phases) {
    this.#owner = owner
    this.#context = context
    this.#transport = transport
    this.#phases = phases
    batcher.add(this)
  }

  /** True if the body was delivered as a stream. */
  get isStream(): boolean {
    return this.#stream !== undefined
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Total milliseconds for which downstream did not read although the backend had sent bytes. */
  get pausedFor(): number {
    return this.#pausedFor + (this.#isPaused ? this.#owner.now - this.#pausedAt : 0)
  }

  push(chunk: Buffer): void {
    if (this.#early) this.#early.push(chunk)
    else this.#pass(chunk)
  }

  /** Ends the body, because the backend's response has ended. */
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

  /** Breaks the stream off with an error. The attempt has to be over before this is called. */
  destroy(error: Error): void {
    this.#stream?.destroy(error)
  }

  /** Returns true if the chunks together are as long as the Content-Length of the response's head. */
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
      // The backend can send nothing until downstream has read, so the time limit of the phase is stopped.
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
