// Over 200 lines: this class holds the state of one connection; sending, reading and the socket have files of their own.
import type { Socket } from 'node:net'
import type { Headers } from '../../../http/fields.js'
import { ClosedError, TruncatedResponseError } from '../../failures/failures.js'
import type { Transport, TransportListener, UpstreamRequest } from '../transport.js'
import { Channel, type ChannelListener } from './channel.js'
import type { Connector } from './connector.js'
import { PoolEntry } from './pool-entry.js'
import { requestHead } from './request-head.js'
import { RequestSender } from './request-sender.js'
import { ResponseReader } from './response-reader.js'
import { type QueuedSend, sendQueue } from './send-queue.js'

/** What opens and keeps the connections to one backend. */
export interface ConnectionOwner {
  readonly connector: Connector
  /** Largest size of a response's head in bytes, and of its trailers. */
  readonly maxHeadBytes: number
  /** True if each connection serves one request only. */
  readonly isSingleUse: boolean
  onOpened(connection: Connection): void
  /**
   * Called when a response was read to its end and the connection may serve another request.
   * @param timeout seconds after which the backend closes the idle connection; undefined if it has not said so
   */
  onReleased(connection: Connection, timeout: number | undefined): void
  /** Called when a connection will serve no further request. */
  onLost(connection: Connection): void
}

/**
 * One connection to a backend, which serves one request after the other. It is opened with its first request. Between
 * two requests it keeps nothing of either, because a connection lives much longer than its requests.
 */
export class Connection extends PoolEntry<Connection> implements Transport, ChannelListener, QueuedSend {
  readonly #owner: ConnectionOwner
  readonly #sender: RequestSender
  readonly #reader: ResponseReader
  /** The way to the backend; undefined before the first request. */
  #channel: Channel | undefined
  /** Number of requests that were sent on the channel. */
  #served = 0

  // The following fields belong to the current request.

  #request: UpstreamRequest | undefined
  #listener: TransportListener | undefined
  #head = ''

  constructor(owner: ConnectionOwner) {
    super()
    this.#owner = owner
    this.#sender = new RequestSender((error) => this.#fail(error))
    this.#reader = new ResponseReader(owner.maxHeadBytes, this.#sender)
  }

  get reused(): boolean {
    return this.#served > 1
  }

  get silent(): boolean {
    return this.#channel?.isSilent === true
  }

  get blocked(): boolean {
    return this.#sender.writeError !== undefined || (this.#channel?.socket?.writableLength ?? 0) > 0
  }

  get lookingUp(): boolean {
    return this.#channel?.isLookingUp === true
  }

  send(request: UpstreamRequest, listener: TransportListener): void {
    this.#request = request
    this.#listener = listener
    try {
      this.#head = requestHead(request, { isLast: this.#owner.isSingleUse })
    } catch (error) {
      this.#fail(error as Error)
      return
    }
    if (!this.#channel?.isConnected) this.#open()
    // Such a request is sent again if the backend has closed the connection.
    else if (request.method === 'GET' && !request.body) this.#start()
    else sendQueue.add(this)
  }

  /** Sends a request that has waited for the end of the turn, on a new socket if the kept one was closed meanwhile. */
  flush(): void {
    if (!this.#listener) return
    if (this.#channel?.isConnected) this.#start()
    else this.#open()
  }

  pause(): void {
    this.#channel?.pause()
  }

  resume(): void {
    this.#channel?.resume()
  }

  abort(): void {
    this.#forgetRequest()
    this.#close()
  }

  /** Closes the connection. A request on it fails. */
  destroy(): void {
    this.#fail(new ClosedError('the connection is not needed any more'))
  }

  #open(): void {
    this.#served = 0
    this.#channel?.close()
    this.#channel = new Channel(this.#owner.connector, this)
    this.#channel.open(this.#request?.upgrade !== undefined)
  }

  #start(): void {
    const request = this.#request as UpstreamRequest
    const listener = this.#listener as TransportListener
    this.#served++
    this.#reader.begin(request, listener)
    listener.onStarted()
    // The listener may have aborted the request.
    if (this.#listener !== listener) return
    this.#sender.send(this.#channel?.socket as Socket, this.#head, request, listener)
    this.#head = ''
  }

  // The channel calls the following methods.

  onLookedUp(): void {
    this.#listener?.onLookedUp()
  }

  onConnected(): void {
    this.#owner.onOpened(this)
    this.#start()
  }

  onDrain(): void {
    this.#sender.onDrain()
  }

  onBytes(bytes: Buffer, isShared: boolean): void {
    const reader = this.#reader
    if (!reader.isReading) {
      // No request has asked for these bytes, and the next one would take them for its response.
      this.#loseKept()
      return
    }
    let length: number
    try {
      length = reader.read(bytes, isShared)
    } catch (error) {
      this.#onMalformed(error as Error)
      return
    }
    const { trailers, switched } = reader
    if (trailers) this.#complete(trailers, length < bytes.length)
    else if (switched) this.#switchProtocols(switched, bytes.subarray(length))
    else this.#listener?.onReadEnd()
  }

  onEnded(): void {
    if (this.#reader.isReading) this.#finish()
    else this.#loseKept()
  }

  onClosed(error: NodeJS.ErrnoException | undefined): void {
    const { isReading, endsWithConnection } = this.#reader
    const { mayBeUnread, writeError } = this.#sender
    // After a write that failed, the end of the bytes that can be read is only a consequence of that failure.
    const cause = error?.syscall === undefined ? (writeError ?? error) : error
    if (isReading && endsWithConnection && mayBeUnread) this.#finish()
    else if (isReading || this.#served === 0) this.#fail(cause ?? new ClosedError())
    else this.#loseKept()
  }

  #onMalformed(error: Error): void {
    const listener = this.#listener
    const fail = () => {
      if (this.#listener === listener) this.#fail(error)
    }
    // What came before the fault is passed on first.
    if (this.#reader.isResponding) listener?.onReadEnd()
    if (this.#reader.isResponding) setImmediate(fail)
    else fail()
  }

  /** Gives up a kept channel. A request that waits to be sent is sent on another one. */
  #loseKept(): void {
    if (this.#listener) this.#channel?.close()
    else this.#close()
  }

  /** Ends the response, because the backend has ended the connection. */
  #finish(): void {
    const { hasBegun } = this.#reader
    if (this.#reader.finish()) this.#complete(this.#reader.trailers ?? {}, false)
    else this.#fail(hasBegun ? new TruncatedResponseError() : (this.#sender.writeError ?? new ClosedError()))
  }

  /**
   * Ends the request, whose response was read to its end.
   * @param hasSurplus true if more bytes than the response have come
   */
  #complete(trailers: Headers, hasSurplus: boolean): void {
    const listener = this.#listener as TransportListener
    const { keepsAlive, keepAliveTimeout } = this.#reader
    const isKept = this.#sender.isSent && !hasSurplus && keepsAlive && this.#request?.upgrade === undefined
    this.#forgetRequest()
    if (isKept && this.#channel?.isConnected) this.#owner.onReleased(this, keepAliveTimeout)
    else this.#close()
    listener.onResponseEnd(trailers)
  }

  #switchProtocols(headers: Headers, head: Buffer): void {
    const listener = this.#listener as TransportListener
    this.#forgetRequest()
    const socket = this.#channel?.handOver() as Socket
    this.#close()
    listener.onSwitched(headers, socket, head)
  }

  #fail(error: Error): void {
    const listener = this.#listener
    this.#forgetRequest()
    this.#close()
    listener?.onFailed(error)
  }

  #close(): void {
    this.#channel?.close()
    this.#owner.onLost(this)
  }

  #forgetRequest(): void {
    this.#sender.forget()
    this.#reader.forget()
    this.#channel?.resume()
    this.#request = undefined
    this.#listener = undefined
    this.#head = ''
  }
}
