import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { BodyReadError, BodyTooLargeError, RequestTimeoutError } from '../errors/errors.js'

export interface BodyLimits {
  /** Largest body that is copied, in bytes. */
  maxBytes: number
  /** Longest time between two chunks in milliseconds; 0 for any. */
  timeout: number
}

type OnComplete = (error: Error | null, bytes: Buffer) => void

/** The copy of each stream that is being copied. */
const copies = new WeakMap<Readable, BodyCopy>()

/** The copy of a stream; undefined where the stream is not copied. */
export function copyOf(stream: Readable): BodyCopy | undefined {
  return copies.get(stream)
}

/**
 * Begins to copy a stream that somebody else reads.
 * @returns the copy, which an earlier call may have begun; undefined where nobody reads the stream, or a part was read
 * already
 */
export function copyIfRead(stream: Readable, limits: BodyLimits): BodyCopy | undefined {
  const known = copies.get(stream)
  if (known) return known
  if (wasRead(stream) || !isBeingRead(stream)) return undefined
  const copy = new BodyCopy(stream, limits)
  copies.set(stream, copy)
  return copy
}

/** Whether a part of a stream was read already, or the rest cannot be read any more. */
export function wasRead(stream: Readable): boolean {
  return stream.readableDidRead || (stream.destroyed && !stream.readableEnded)
}

/** Whether somebody reads a stream that has not ended. */
export function isBeingRead(stream: Readable): boolean {
  if (stream.readableEnded) return false
  return (
    stream.readableFlowing === true ||
    stream.listenerCount('data') > 0 ||
    stream.listenerCount('readable') > 0
  )
}

/**
 * Copies every byte of a stream that a hook reads. There is no backpressure, as the hook may wait for the end before it lets
 * the request go on; the size of the copy is limited instead.
 */
class BodyCopy {
  readonly #stream: Readable
  readonly #limits: BodyLimits
  readonly #chunks: Buffer[] = []
  #length = 0
  #timer: NodeJS.Timeout | undefined
  #result: { error: Error | null; bytes: Buffer } | undefined
  #onComplete: OnComplete | undefined

  constructor(stream: Readable, limits: BodyLimits) {
    this.#stream = stream
    this.#limits = limits
    if (limits.timeout > 0) this.#timer = setTimeout(this.#stall, limits.timeout)
    stream.on('data', this.#take)
    stream.once('end', this.#end)
    stream.on('error', this.#fail)
    stream.once('close', this.#close)
    stream.on('pause', this.#resume)
    stream.resume()
  }

  /** Calls `callback` once, when the stream has ended or the copy has failed. */
  onComplete(callback: OnComplete): void {
    if (this.#result) callback(this.#result.error, this.#result.bytes)
    else this.#onComplete = callback
  }

  readonly #take = (chunk: Buffer | string): void => {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    this.#timer?.refresh()
    this.#length += bytes.length
    this.#chunks.push(bytes)
    if (this.#length > this.#limits.maxBytes) this.#finish(new BodyTooLargeError(this.#limits.maxBytes))
  }

  readonly #end = (): void => this.#finish(null)

  readonly #fail = (error: Error): void => this.#finish(error)

  readonly #close = (): void => {
    this.#finish(new BodyReadError("the body that a hook of the app made of this request's has no end"))
  }

  /** Resumes a stream that the hook has paused, as the copy needs the rest of it. */
  readonly #resume = (): void => {
    if (!this.#result) this.#stream.resume()
  }

  readonly #stall = (): void => {
    const { complete = true } = this.#stream as Partial<IncomingMessage>
    this.#finish(
      complete
        ? new BodyReadError('a hook of the app did not go on with the body of this request in time')
        : new RequestTimeoutError(),
    )
  }

  #finish(error: Error | null): void {
    if (this.#result) return
    clearTimeout(this.#timer)
    const bytes = error ? Buffer.alloc(0) : Buffer.concat(this.#chunks)
    this.#chunks.length = 0
    this.#result = { error, bytes }
    this.#stream.off('data', this.#take).off('pause', this.#resume)
    this.#onComplete?.(error, bytes)
  }
}
