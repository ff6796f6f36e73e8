import type { Headers } from '../../../http/fields.js'
import type { TransportListener, UpstreamRequest } from '../transport.js'
import type { RequestSender } from './request-sender.js'
import { type ResponseHandler, ResponseParser } from './response-parser.js'

/** Reads the responses of one connection, one after the other, and reports them to the listener of each request. */
export class ResponseReader implements ResponseHandler {
  readonly #parser: ResponseParser
  readonly #sender: RequestSender
  #listener: TransportListener | undefined
  /** True if the bytes that are being read have to be copied before they are passed on. */
  #isShared = false
  #isResponding = false
  #trailers: Headers | undefined
  #switched: Headers | undefined

  /** @param maxHeadBytes largest size of a response's head in bytes, and of its trailers */
  constructor(maxHeadBytes: number, sender: RequestSender) {
    this.#parser = new ResponseParser(this, maxHeadBytes)
    this.#sender = sender
  }

  /** True from the request to the end of its response. */
  get isReading(): boolean {
    return this.#parser.isReading
  }

  /** True if some of the response has come. */
  get hasBegun(): boolean {
    return this.#parser.hasBegun
  }

  /** True if the head of the response was reported. */
  get isResponding(): boolean {
    return this.#isResponding
  }

  /** True if only the end of the connection marks the end of the response. */
  get endsWithConnection(): boolean {
    return this.#parser.endsWithConnection
  }

  /** True if the backend takes another request on the connection. */
  get keepsAlive(): boolean {
    return this.#parser.keepsAlive
  }

  /** Seconds that the backend keeps the connection open after its last response; undefined if it has not said so. */
  get keepAliveTimeout(): number | undefined {
    return this.#parser.keepAliveTimeout
  }

  /** The trailers of a response that has ended. */
  get trailers(): Headers | undefined {
    return this.#trailers
  }

  /** The header fields of a response that switches protocols. */
  get switched(): Headers | undefined {
    return this.#switched
  }

  begin({ method, upgrade }: UpstreamRequest, listener: TransportListener): void {
    this.#listener = listener
    this.#parser.begin(method, upgrade !== undefined)
  }

  /**
   * Reads bytes of a response.
   * @param isShared true if the bytes are overwritten later
   * @returns the number of bytes that belong to the response
   * @throws {MalformedResponseError}
   */
  read(bytes: Buffer, isShared: boolean): number {
    this.#isShared = isShared
    return this.#parser.execute(bytes)
  }

  /** Notes that the connection has ended. Returns true if the response is complete. */
  finish(): boolean {
    return this.#parser.finish()
  }

  /** Stops reading, and forgets the request. */
  forget(): void {
    this.#parser.stop()
    this.#listener = undefined
    this.#isResponding = false
    this.#trailers = undefined
    this.#switched = undefined
  }

  // The parser calls the following methods.

  onHead(statusCode: number, headers: Headers, statusMessage: string): void {
    if (statusCode === 100) this.#sender.onContinue()
    else if (statusCode >= 200) {
      this.#isResponding = true
      this.#sender.onResponse(statusCode)
    }
    this.#listener?.onResponseHead(statusCode, headers, statusMessage)
  }

  onBody(bytes: Buffer): void {
    this.#listener?.onResponseData(this.#isShared ? Buffer.from(bytes) : bytes)
  }

  onEnd(trailers: Headers): void {
    this.#trailers = trailers
  }

  onSwitch(headers: Headers): void {
    this.#switched = headers
  }
}
