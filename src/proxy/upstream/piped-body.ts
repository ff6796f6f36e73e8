import { Stream, type Writable } from 'node:stream'
import { type BodyReader, type BodySource, BUFFER_BYTES } from './body-reader.js'

/**
 * Passes a response body on without a stream in between: each part is written to the destination as soon as it comes.
 * Fastify takes any emitter with `pipe` for a stream, and watches its events `end`, `error` and `close`.
 */
export class PipedBody extends Stream implements BodyReader {
  readonly #source: BodySource
  #destination: Writable | undefined
  #endsDestination = true
  /** Parts that came before there was a destination. */
  #early: Buffer[] = []
  /** True if the destination asked to wait for its `drain`. */
  #isFull = true
  /** Number of bytes that have come while the destination was full. */
  #waiting = 0
  #isEnded = false
  #isBroken = false

  constructor(source: BodySource) {
    super()
    this.#source = source
    // The body may break before Fastify listens, and an `error` without a listener would end the process.
    this.on('error', ignore)
  }

  /**
   * Begins to write the body to a destination.
   * @param options `end: false` if the caller ends the destination itself, as Fastify does for trailers of the app
   */
  override pipe<T extends NodeJS.WritableStream>(destination: T, options?: { end?: boolean }): T {
    this.#destination = destination as NodeJS.WritableStream as Writable
    this.#endsDestination = options?.end !== false
    // The function is a constant, because a literal that is passed on directly would be kept alive for longer.
    const onDrain = () => this.#onDrain()
    destination.on('drain', onDrain)
    this.#isFull = false
    this.#waiting = 0
    const early = this.#early
    this.#early = []
    if (early.length === 0) this.#source.onAllTaken()
    for (const chunk of early) this.push(chunk)
    if (this.#isEnded) this.#endNow()
    else if (this.#waiting < BUFFER_BYTES) this.#source.onTaking()
    return destination
  }

  push(chunk: Buffer): boolean {
    if (this.#isFull) this.#waiting += chunk.length
    const destination = this.#destination
    if (!destination) this.#early.push(chunk)
    // A response that code of the app has ended, or whose client has left, would throw or report an error.
    else if (!destination.writableEnded && !destination.destroyed && !destination.write(chunk))
      this.#isFull = true
    return this.#waiting < BUFFER_BYTES
  }

  end(): void {
    if (this.#isEnded || this.#isBroken) return
    this.#isEnded = true
    if (this.#destination) this.#endNow()
  }

  /** Breaks the body off. Fastify calls this, too, when the response is over before the body is. */
  destroy(error?: Error): void {
    if (this.#isEnded || this.#isBroken) return
    this.#isBroken = true
    this.#early = []
    this.#source.onDropped(error ?? null)
    // As with a stream, the caller has returned before the events come.
    process.nextTick(emitBroken, this, error)
  }

  #endNow(): void {
    const destination = this.#destination as Writable
    this.emit('end')
    if (this.#endsDestination && !destination.writableEnded) destination.end()
  }

  #onDrain(): void {
    this.#isFull = false
    this.#waiting = 0
    this.#source.onTaking()
  }
}

function ignore(): void {}

function emitBroken(body: PipedBody, error: Error | undefined): void {
  if (error) body.emit('error', error)
  body.emit('close')
}
