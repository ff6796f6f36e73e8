import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { BodyReadError, BodyTooLargeError, RequestTimeoutError } from '../errors/errors.js'

export interface BodyLimits {
  /** Largest body that is copied, in bytes. */
  bytes: number
  /** Milliseconds between two chunks of it; 0 for any. */
  silence: number
}

type Over = (error: Error | null, bytes: Buffer) => void

/** The copy of each stream of which one was begun. */
const copies = new WeakMap<Readable, BodyCopy>()

/** The copy that is made of a stream; undefined where there is none. */
export function copyOf(stream: Readable): BodyCopy | undefined {
  return copies.get(stream)
}

/**
 * The copy of a stream that a hook reads; it is begun now where there is none yet. Undefined where nobody reads the stream,
 * or some of it is gone already.
 */
export function copyWhereRead(stream: Readable, limits: BodyLimits): BodyCopy | undefined {
  const known = copies.get(stream)
  if (known) return known
  if (wasRead(stream) || !isBeingRead(stream)) return undefined
  const copy = new BodyCopy(stream, limits)
  copies.set(stream, copy)
  return copy
}

/** Whether some of a stream was read already, or cannot be read any more. */
export function wasRead(stream: Readable): boolean {
  return stream.readableDidRead || (stream.destroyed && !stream.readableEnded)
}

/** Whether somebody reads what a stream has yet to bring. */
export function isBeingRead(stream: Readable): boolean {
  if (stream.readableEnded) return false
  return (
    stream.readableFlowing === true ||
    stream.listenerCount('data') > 0 ||
    stream.listenerCount('readable') > 0
  )
}

/**
 * Copies every byte of a stream that a hook reads. The hook may wait for the end before it lets the request go on, so the
 * stream must not be held back, and the copy has a limit instead.
 */
class BodyCopy {
  readonly #stream: Readable
  readonly #limits: BodyLimits
  readonly #chunks: Buffer[] = []
  #length = 0
  #timer: NodeJS.Timeout | undefined
  #result: { error: Error | null; bytes: Buffer } | undefined
  #onOver: Over | undefined

  constructor(stream: Readable, limits: BodyLimits) {
    this.#stream = stream
    this.#limits = limits
    if (limits.silence > 0) this.#timer = setTimeout(this.#stall, limits.silence)
    stream.on('data', this.#take)
    stream.once('end', this.#end)
    stream.on('error', this.#fail)
    stream.once('close', this.#close)
    stream.on('pause', this.#resume)
    stream.resume()
  }

  /** Calls `callback` once, when there is nothing more to come. */
  whenOver(callback: Over): void {
    if (this.#result) callback(this.#result.error, this.#result.bytes)
    else this.#onOver = callback
  }

  readonly #take = (chunk: Buffer | string): void => {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    this.#timer?.refresh()
    this.#length += bytes.length
    this.#chunks.push(bytes)
    if (this.#length > this.#limits.bytes) this.#over(new BodyTooLargeError(this.#limits.bytes))
  }

  readonly #end = (): void => this.#over(null)

  readonly #fail = (error: Error): void => this.#over(error)

  readonly #close = (): void => {
    this.#over(new BodyReadError("the body that a hook of the app made of this request's has no end"))
  }

  /** The hook has paused the stream, but the copy needs the rest of it. */
  readonly #resume = (): void => {
    if (!this.#result) this.#stream.resume()
  }

  readonly #stall = (): void => {
    const { complete = true } = this.#stream as Partial<IncomingMessage>
    this.#over(
      complete
        ? new BodyReadError('a hook of the app did not go on with the body of this request in time')
        : new RequestTimeoutError(),
    )
  }

  #over(error: Error | null): void {
    if (this.#result) return
    clearTimeout(this.#timer)
    const bytes = error ? Buffer.alloc(0) : Buffer.concat(this.#chunks)
    this.#chunks.length = 0
    this.#result = { error, bytes }
    this.#stream.off('data', this.#take).off('pause', this.#resume)
    this.#onOver?.(error, bytes)
  }
}
