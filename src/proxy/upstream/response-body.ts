import type { Readable } from 'node:stream'
import type { ProxyContext } from '../context.js'
import type { Headers } from '../http/fields.js'
import { type ArrivingBody, type UpstreamResponse, WholeBody } from '../http/response.js'
import type { BodyReader, BodySource } from './body-reader.js'
import type { Phases } from './phases.js'
import { PipedBody } from './piped-body.js'
import { StreamedBody } from './streamed-body.js'
import type { Transport } from './transport/transport.js'

/** The attempt that the response body belongs to. */
export interface BodyOwner {
  /** The current time in monotonic milliseconds. */
  readonly now: number
  deliver(body: UpstreamResponse['body']): void
  /** Called when downstream has destroyed the body before the body had ended. */
  onBodyDropped(error: Error | null): void
}

/**
 * The body of a response on its way from the backend to downstream. It is delivered whole if it came together with its
 * head. Otherwise it is delivered while it arrives, and read from the backend as fast as downstream takes it.
 */
export class ResponseBody implements ArrivingBody, BodySource {
  readonly #owner: BodyOwner
  readonly #context: ProxyContext
  readonly #transport: Transport
  readonly #phases: Phases
  /** Chunks of the body that came before downstream had a reader; undefined afterwards. */
  #early: Buffer[] | undefined = []
  #isDelivered = false
  /** True if the body breaks off before it is delivered, so that its bytes are of no use. */
  #isBroken = false
  #reader: BodyReader | undefined
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
  }

  /** True if the body was delivered while it was arriving. */
  get isStream(): boolean {
    return this.#reader !== undefined
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
    if (!this.#isDelivered && this.#isWhole(trailers)) {
      const early = this.#early as Buffer[]
      this.#isDelivered = true
      this.#owner.deliver(new WholeBody(early.length === 1 ? (early[0] as Buffer) : Buffer.concat(early)))
      return
    }
    this.open()
    const { downstream } = this.#context
    downstream.trailers(trailers)
    if (this.#reader) downstream.inContext(endReader, this.#reader)
  }

  /** Delivers the body although it is not whole, unless it was delivered before. */
  open(): void {
    if (this.#isDelivered) return
    this.#isDelivered = true
    this.#owner.deliver(this)
  }

  /**
   * Delivers the body without the bytes that have come, unless it was delivered before, because it is about to break
   * off. While no byte is sent, the client can be sent an error instead of the response.
   */
  openBroken(): void {
    if (this.#isDelivered) return
    this.#isBroken = true
    this.#early = []
    this.open()
  }

  /** Breaks the body off with an error. The attempt has to be over before this is called. */
  break(error: Error): void {
    if (this.#reader) this.#context.downstream.inContext(breakReader, this.#reader, error)
  }

  // Downstream calls one of the following two methods, and `destroy` if it cannot send the body.

  stream(): Readable {
    return this.#readBy(new StreamedBody(this))
  }

  piped(): PipedBody {
    return this.#readBy(new PipedBody(this))
  }

  destroy(): void {
    if (this.#reader) this.#reader.destroy()
    else this.onDropped(null)
  }

  // The reader calls the following methods.

  onAllTaken(): void {
    if (!this.#phases.isOver && !this.#isBroken) this.#context.downstream.flushHead()
  }

  onTaking(): void {
    if (!this.#isPaused) return
    this.#pausedFor = this.pausedFor
    this.#isPaused = false
    if (this.#phases.isOver) return
    this.#phases.restart()
    this.#transport.resume()
  }

  onDropped(error: Error | null): void {
    if (!this.#phases.isOver) this.#owner.onBodyDropped(error)
  }

  #readBy<Reader extends BodyReader>(reader: Reader): Reader {
    const early = this.#early ?? []
    this.#early = undefined
    this.#reader = reader
    for (const chunk of early) this.#pass(chunk)
    return reader
  }

  /**
   * Returns true if all of the body has come and it can be sent with a Content-Length. (RFC 9112 section 6.1: an
   * intermediary may remove a transfer coding.) Trailers can only follow a body that is sent in chunks.
   */
  #isWhole(trailers: Headers): boolean {
    const { headers } = this.#context.responseHead as NonNullable<ProxyContext['responseHead']>
    if (headers['content-length'] !== undefined) return true
    if (headers.trailer !== undefined) return false
    for (const _name in trailers) return false
    return true
  }

  #pass(chunk: Buffer): void {
    const reader = this.#reader
    const takesMore = reader && this.#context.downstream.inContext(pushTo, reader, chunk)
    if (this.#phases.isOver) return
    if (takesMore === false) {
      if (this.#isPaused) return
      this.#isPaused = true
      this.#pausedAt = this.#owner.now
      // The backend can send nothing until downstream has read, so the time limit of the phase is stopped.
      this.#phases.suspend()
      this.#transport.pause()
    } else {
      this.#phases.restart()
    }
  }
}

function pushTo(reader: BodyReader, chunk: Buffer): boolean {
  return reader.push(chunk)
}

function endReader(reader: BodyReader): void {
  reader.end()
}

function breakReader(reader: BodyReader, error: Error): void {
  reader.destroy(error)
}
