// Over 200 lines: the stages of a response share its state; the parts that are read have files of their own.
import { emptyHeaders, type Headers } from '../../../http/fields.js'
import { ChunkedBody } from './chunked-body.js'
import { HeadReader } from './head-reader.js'
import { MalformedResponseError } from './malformed-response-error.js'
import { hasOption, keepAliveTimeout, keepsAlive } from './persistence.js'
import { contentLength, type Framing, framingOf } from './response-framing.js'

/** Receives the parts of a response. */
export interface ResponseHandler {
  /** Called with the head of an informational response (1xx other than 101), and with the head of the response. */
  onHead(statusCode: number, headers: Headers, statusMessage: string): void
  /**
   * Called with bytes of the body.
   * @param bytes a view of the bytes given to `execute`, valid only during this call; never empty
   */
  onBody(bytes: Buffer): void
  /** Called when the response is complete. */
  onEnd(trailers: Headers): void
  /** Called when the backend has answered 101 to a request for an upgrade. Bytes behind that head are not read. */
  onSwitch(headers: Headers): void
}

/** What is read next. */
type Stage = 'nothing' | 'head' | 'body' | 'chunks' | 'trailers' | 'rest'

/** Largest number of informational responses before one response. Without a limit, a backend could send them forever. */
export const MAX_INFORMATIONAL = 1000
const NO_TRAILERS: Headers = Object.freeze(emptyHeaders())

/** Reads the responses of one connection, one after the other (RFC 9112). It keeps nothing of one that is over. */
export class ResponseParser {
  readonly #handler: ResponseHandler
  readonly #head: HeadReader
  readonly #chunks = new ChunkedBody()
  #stage: Stage = 'nothing'
  /** Changes with each response, so that no bytes are read for another response than they came for. */
  #round = 0
  #method = ''
  #isUpgrade = false
  #hasBegun = false
  #informational = 0
  #framing: Framing = 'none'
  /** Number of bytes of the body that have not come, where its length is known. */
  #remaining = 0
  #keepsAlive = false
  #keepAliveTimeout: number | undefined

  /** @param maxHeadBytes largest size of a head, and of trailers, in bytes */
  constructor(handler: ResponseHandler, maxHeadBytes: number) {
    this.#handler = handler
    this.#head = new HeadReader(maxHeadBytes)
  }

  /** True between `begin` and the end of a response. */
  get isReading(): boolean {
    return this.#stage !== 'nothing'
  }

  /** True if any byte of the current response was read. */
  get hasBegun(): boolean {
    return this.#hasBegun
  }

  /** Whether the connection may serve another request. Known from the head of the response on. */
  get keepsAlive(): boolean {
    return this.#keepsAlive
  }

  /** Seconds of `Keep-Alive: timeout=`; undefined if the response has no such number. */
  get keepAliveTimeout(): number | undefined {
    return this.#keepAliveTimeout
  }

  /** True if only the end of the connection marks the end of the body. */
  get endsWithConnection(): boolean {
    return this.#framing === 'connection'
  }

  /** Begins to read the response to a request. @param isUpgrade true if the request asks to switch protocols */
  begin(method: string, isUpgrade: boolean): void {
    this.stop()
    this.#method = method
    this.#isUpgrade = isUpgrade
    this.#head.beginHead()
    this.#stage = 'head'
  }

  /** Stops reading. The handler is not called any more. */
  stop(): void {
    this.#end()
    this.#method = ''
    this.#isUpgrade = false
    this.#hasBegun = false
    this.#informational = 0
    this.#framing = 'none'
    this.#keepsAlive = false
    this.#keepAliveTimeout = undefined
  }

  /**
   * Reads bytes of the connection. Nothing is read any more after an error of the parser, or of the handler.
   * @returns how many were read: fewer than given if the response has ended before, or `stop` was called
   * @throws {MalformedResponseError}
   */
  execute(bytes: Buffer): number {
    const round = this.#round
    let at = 0
    if (bytes.length > 0 && this.isReading) this.#hasBegun = true
    try {
      while (at < bytes.length && this.#round === round && this.isReading) at = this.#read(bytes, at)
    } catch (error) {
      this.#end()
      throw error
    }
    return at
  }

  /**
   * Notes that the backend has ended the connection in an orderly way, which completes a body that ends with it.
   * @returns false if the response was cut short
   */
  finish(): boolean {
    const stage = this.#stage
    this.#end()
    if (stage === 'rest') this.#handler.onEnd(NO_TRAILERS)
    return stage === 'rest' || stage === 'nothing'
  }

  /** Reads what comes next, and returns where it ends. */
  #read(bytes: Buffer, from: number): number {
    switch (this.#stage) {
      case 'head':
        return this.#readHead(bytes, from)
      case 'body':
        return this.#readBody(bytes, from)
      case 'chunks':
        return this.#readChunks(bytes, from)
      case 'trailers':
        return this.#readTrailers(bytes, from)
      default:
        this.#handler.onBody(from === 0 ? bytes : bytes.subarray(from))
        return bytes.length
    }
  }

  #readHead(bytes: Buffer, from: number): number {
    const head = this.#head
    const at = head.read(bytes, from)
    if (!head.isComplete) return at
    const { statusLine, headers } = head
    const { statusCode, statusMessage } = statusLine
    const length = contentLength(headers)
    head.forget()
    if (statusCode === 101) {
      this.#switch(headers)
    } else if (statusCode < 200) {
      if (++this.#informational > MAX_INFORMATIONAL) {
        throw new MalformedResponseError('BAD_ANSWER', 'too many informational responses')
      }
      head.beginHead()
      this.#handler.onHead(statusCode, headers, statusMessage)
    } else {
      this.#frame(statusCode, headers, length)
      const round = this.#round
      this.#handler.onHead(statusCode, headers, statusMessage)
      if (this.#framing === 'none' && round === this.#round) {
        this.#end()
        this.#handler.onEnd(NO_TRAILERS)
      }
    }
    return at
  }

  #switch(headers: Headers): void {
    const isSwitch = Boolean(headers.upgrade) && hasOption(headers.connection, 'upgrade')
    // A server must not switch to a protocol that nobody asked for (RFC 9110 section 7.8).
    if (!this.#isUpgrade || !isSwitch) {
      throw new MalformedResponseError('BAD_ANSWER', 'a switch that nobody asked for')
    }
    this.#end()
    this.#handler.onSwitch(headers)
  }

  /** Notes how the response ends, and what becomes of the connection then. */
  #frame(statusCode: number, headers: Headers, length: number | undefined): void {
    const framing = framingOf(this.#method, statusCode, headers, length)
    this.#framing = framing
    this.#keepsAlive = keepsAlive(this.#head.statusLine.minorVersion, statusCode, headers, framing)
    this.#keepAliveTimeout = keepAliveTimeout(headers)
    if (framing === 'chunked') {
      this.#chunks.begin()
      this.#stage = 'chunks'
    } else {
      this.#remaining = length ?? 0
      this.#stage = framing === 'connection' ? 'rest' : 'body'
    }
  }

  #readBody(bytes: Buffer, from: number): number {
    const at = Math.min(bytes.length, from + this.#remaining)
    this.#remaining -= at - from
    const round = this.#round
    this.#handler.onBody(view(bytes, from, at))
    if (this.#remaining === 0 && round === this.#round) {
      this.#end()
      this.#handler.onEnd(NO_TRAILERS)
    }
    return at
  }

  #readChunks(bytes: Buffer, from: number): number {
    const chunks = this.#chunks
    if (chunks.remaining > 0) {
      const at = Math.min(bytes.length, from + chunks.remaining)
      chunks.remaining -= at - from
      this.#handler.onBody(view(bytes, from, at))
      return at
    }
    const at = chunks.read(bytes, from)
    if (chunks.isComplete) {
      this.#head.beginTrailers()
      this.#stage = 'trailers'
    }
    return at
  }

  #readTrailers(bytes: Buffer, from: number): number {
    const head = this.#head
    const at = head.read(bytes, from)
    if (!head.isComplete) return at
    const trailers = head.headers
    this.#end()
    this.#handler.onEnd(trailers)
    return at
  }

  /** Stops reading, and keeps what is known of the response. */
  #end(): void {
    this.#round++
    this.#stage = 'nothing'
    this.#head.forget()
  }
}

function view(bytes: Buffer, from: number, to: number): Buffer {
  return from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to)
}
