import { Readable } from 'node:stream'
import type { ProxyContext } from '../context.js'
import type { Headers } from '../http/fields.js'
import { WholeBody } from '../http/response.js'
import type { Deadline } from './deadline.js'
import { type BatchedResponse, ResponseBatcher } from './response-batcher.js'
import type { Transport } from './transport/transport.js'

/** The attempt that the body belongs to. */
export interface BodyOwner {
  /** Whether all of the body has come that will. */
  readonly isOver: boolean
  /** Monotonic milliseconds. */
  readonly now: number
  deliver(body: Readable | WholeBody): void
  /** Downstream has destroyed the body before its end. */
  onBodyDropped(error: Error | null): void
}

/** Bytes that a stream keeps before the backend is not read any more. */
const BUFFER_BYTES = 64 * 1024

const batcher = new ResponseBatcher()

/**
 * The body of a response on its way from the backend to downstream: whole where it came together with its head, and
 * otherwise a stream, which is read from the backend as fast as downstream takes it.
 */
export class ResponseBody implements BatchedResponse {
  readonly #owner: BodyOwner
  readonly #context: ProxyContext
  readonly #transport: Transport
  readonly #deadline: Deadline
  readonly #timeout: number
  /** What came together with the head; undefined once the body is delivered. */
  #early: Buffer[] | undefined = []
  #stream: Readable | undefined
  #isPaused = false
  #pausedAt = 0
  #pausedFor = 0

  /**
   * @param deadline is set anew at each progress, and stopped while downstream does not read
   * @param timeout milliseconds without progress; 0 for any
   */
  constructor(
    owner: BodyOwner,
    context: ProxyContext,
    transport: Transport,
    deadline: Deadline,
    timeout: number,
  ) {
    this.#owner = owner
    this.#context = context
    this.#transport = transport
    this.#deadline = deadline
    this.#timeout = timeout
    deadline.set(timeout)
    batcher.add(this)
  }

  /** Whether it was delivered as a stream. */
  get isStream(): boolean {
    return this.#stream !== undefined
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Milliseconds for which downstream did not take what the backend had. */
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
        if (stream.readableLength === 0 && !this.#owner.isOver) this.#context.downstream.flushHead()
        if (this.#isPaused) this.#resume()
      },
      destroy: (error, done) => {
        if (!this.#owner.isOver) this.#owner.onBodyDropped(error)
        done(error)
      },
    })
    this.#stream = stream
    // The body may break when nobody reads it, or nobody yet.
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
    if (this.#owner.isOver) return
    if (takesMore === false) {
      this.#isPaused = true
      this.#pausedAt = this.#owner.now
      // The backend has nothing to do until downstream has read.
      this.#deadline.clear()
      this.#transport.pause()
    } else {
      this.#deadline.set(this.#timeout)
    }
  }

  #resume(): void {
    this.#pausedFor = this.pausedFor
    this.#isPaused = false
    if (this.#owner.isOver) return
    this.#deadline.set(this.#timeout)
    this.#transport.resume()
  }
}
