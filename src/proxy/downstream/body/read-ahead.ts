import type { IncomingMessage } from 'node:http'
import type { ProxyContext } from '../../context.js'
import { expectsContinue } from '../connection/expect.js'
import { onFinished } from '../connection/pipeline.js'
import type { HttpDownstream } from '../downstream.js'
import { BodyTooLargeError } from '../errors/errors.js'
import { isBeingRead, wasRead } from './body-copy.js'
import { GrowingBuffer } from './growing-buffer.js'

export interface ReadAheadLimits {
  /** Bytes of a body that are read before a backend is chosen; 0 for none. */
  requestBuffer: number
  /** Largest size of a body in bytes; 0 for any. */
  maxBody: number
}

/** The state of a stream that says whether something was read from it. The types of Node leave it out. */
interface ReadState {
  _readableState: { dataEmitted: boolean }
}

const EMPTY = Buffer.alloc(0)

/**
 * Waits until all of a request's body has come, or as much of it as `limits.requestBuffer`. The request is afterwards as
 * if nobody had read from it. A body is not read ahead if the client waits to be asked for it, which is up to the
 * backend, or if a hook of the app reads it.
 * @param callback called with null, or with an error for the client; never if the request is over before
 */
export function readAhead(
  downstream: HttpDownstream,
  limits: ReadAheadLimits,
  callback: (error: Error | null) => void,
): void {
  if (limits.requestBuffer > 0 && mayReadAhead(downstream)) new ReadAhead(downstream, limits, callback)
  else callback(null)
}

function mayReadAhead({ request: { raw }, protocol, isUpgrade }: HttpDownstream): boolean {
  if (isUpgrade || !protocol.hasBody(raw) || expectsContinue(raw)) return false
  // A request that `inject` makes does not say whether it is complete.
  return typeof raw.complete === 'boolean' && isUntouched(raw)
}

/** Whether nobody reads a request, and nobody has read from it. */
function isUntouched(raw: IncomingMessage): boolean {
  return !raw.readableEnded && !isBeingRead(raw) && !wasRead(raw) && raw.readableEncoding === null
}

/** Keeps the body of a request in memory, if all of it has come, so that it can be sent more than once. */
export function keepWhole(
  { request: { raw }, protocol }: HttpDownstream,
  context: ProxyContext,
  { requestBuffer }: ReadAheadLimits,
): void {
  if (requestBuffer === 0 || context.expectsContinue || raw.readableEncoding !== null) return
  if (!protocol.hasAll(raw) || raw.readableLength > requestBuffer) return
  context.wholeBody = (raw.read() as Buffer | null) ?? EMPTY
}

/** Reads the beginning of one body, and puts it back. */
class ReadAhead {
  readonly #downstream: HttpDownstream
  readonly #limits: ReadAheadLimits
  readonly #callback: (error: Error | null) => void
  readonly #onReadable: () => void
  /** Number of bytes after which nothing more is waited for. */
  readonly #enough: number
  #bytes: GrowingBuffer | undefined
  #isOver = false

  constructor(downstream: HttpDownstream, limits: ReadAheadLimits, callback: (error: Error | null) => void) {
    this.#downstream = downstream
    this.#limits = limits
    this.#callback = callback
    const { request, reply, protocol } = downstream
    const { raw } = request
    const isLarger = Number(raw.headers['content-length'] ?? 0) > limits.requestBuffer
    // Only the next byte, or the end, tells whether a body without a length is larger.
    this.#enough = isLarger ? limits.requestBuffer : limits.requestBuffer + 1
    const look = () => this.#look()
    this.#onReadable = look
    if (this.#isEnough()) return
    downstream.isReadingAhead = true
    onFinished(raw, reply.raw, () => this.#stop())
    if (this.#isOver) return
    // In this mode the stream ends only once everything was read from it, so that it can be put back before.
    raw.on('readable', look)
    // After a response for which nobody has read the body, Node drops the rest only of a body that nobody has waited for.
    protocol.onWritten(raw, reply.raw, () => {
      if (isUntouched(raw)) raw.resume()
    })
  }

  /** Looks at what has come, and takes it out of the stream, which would otherwise stop at its own limit. */
  #look(): void {
    // The request may have been answered meanwhile, for example because the client was silent for too long.
    if (this.#downstream.reply.sent) this.#stop()
    if (this.#isOver || this.#isEnough()) return
    const { raw } = this.#downstream.request
    const chunk = raw.read() as Buffer | null
    if (chunk === null) return
    this.#bytes ??= new GrowingBuffer(this.#limits.requestBuffer)
    this.#bytes.append(chunk)
  }

  /** Returns true if there is nothing more to wait for. The callback is called then. */
  #isEnough(): boolean {
    const { request, protocol } = this.#downstream
    const { raw } = request
    const { maxBody } = this.#limits
    const length = (this.#bytes?.length ?? 0) + raw.readableLength
    if (maxBody > 0 && length > maxBody) {
      this.#finish(new BodyTooLargeError(maxBody))
    } else if (protocol.hasAll(raw) || length >= this.#enough || this.#hasOtherReader(raw)) {
      this.#finish(null)
    } else {
      return false
    }
    return true
  }

  /** Whether a hook of the app has begun to read, which would not get what is read here. */
  #hasOtherReader(raw: IncomingMessage): boolean {
    return raw.listenerCount('data') > 0 || raw.listenerCount('readable') > 1
  }

  #finish(error: Error | null): void {
    const { raw } = this.#downstream.request
    const bytes = this.#bytes?.take()
    this.#stop()
    if (bytes) {
      raw.unshift(bytes)
      const { _readableState } = raw as unknown as ReadState
      _readableState.dataEmitted = false
    }
    // The stream forgets its listener in the next tick. A hook that reads already gets its first bytes in that tick.
    if (isBeingRead(raw)) process.nextTick(this.#callback, error)
    else process.nextTick(goOn, this.#callback, error)
  }

  #stop(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#bytes = undefined
    this.#downstream.isReadingAhead = false
    this.#downstream.request.raw.off('readable', this.#onReadable)
  }
}

/**
 * Calls back in a microtask. The bytes that are there go to a hook that begins to read in the tick after its microtasks,
 * so that an asynchronous hook returns, and its reading can be seen, before it has got any.
 */
function goOn(callback: (error: Error | null) => void, error: Error | null): void {
  queueMicrotask(() => callback(error))
}
