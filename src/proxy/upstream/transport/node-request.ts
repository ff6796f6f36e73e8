// Over 200 lines: this class holds the whole state of one request of Node's client; its parts have files of their own.
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { type Headers, toHeaders } from '../../http/fields.js'
import type { HostLookup } from '../dns/host-lookup.js'
import { NameWait } from '../dns/name-wait.js'
import { BodySender } from './body-sender.js'
import { forgetBrokenWrites, outliveBrokenWrites } from './broken-writes.js'
import type { Connections } from './connections.js'
import { createOutgoing, outgoingHeaders } from './node-outgoing.js'
import { type Exchange, readResponse } from './read-response.js'
import { isSilent, type Transport, type TransportListener, type UpstreamRequest } from './transport.js'

/**
 * One request by Node's own HTTP client. It does what undici's client cannot do, at a third more CPU time: bodies with
 * trailers, waiting for 100 (Continue), upgrades, TE, `OPTIONS *`, any informational response, and a connection that is
 * certainly new.
 */
export class NodeRequest implements Transport, Exchange {
  readonly #connections: Connections
  readonly #maxBody: number
  readonly #isFresh: boolean
  #request!: UpstreamRequest
  #listener!: TransportListener
  #headers!: Headers
  #body: BodySender | undefined
  #outgoing: ClientRequest | undefined
  #socket: Socket | undefined
  #response: IncomingMessage | undefined
  /** True if the backend has responded without taking all of the body. */
  #isBodyStopped = false
  #connectionError: Error | undefined
  /**
   * The error of a write that failed: the backend takes no more bytes, but bytes that the backend has sent may still be
   * read.
   */
  #writeError: Error | undefined
  #isOver = false
  #nameWait: NameWait | undefined

  /**
   * Makes a request that is sent later.
   * @param maxBody largest size of the body in bytes; 0 for no limit
   * @param isFresh true if no connection may be used that had served a request before
   */
  constructor(connections: Connections, maxBody: number, isFresh: boolean) {
    this.#connections = connections
    this.#maxBody = maxBody
    this.#isFresh = isFresh
  }

  get lookingUp(): boolean {
    return this.#nameWait?.isWaiting === true
  }

  get reused(): boolean {
    return this.#outgoing?.reusedSocket === true
  }

  get silent(): boolean {
    return isSilent(this.#socket)
  }

  get blocked(): boolean {
    if (this.#writeError) return true
    const outgoing = this.#outgoing
    return (
      outgoing !== undefined && (outgoing.writableNeedDrain || (outgoing.socket?.writableLength ?? 0) > 0)
    )
  }

  get isOver(): boolean {
    return this.#isOver
  }

  get connectionError(): Error | undefined {
    return this.#connectionError
  }

  send(request: UpstreamRequest, listener: TransportListener): void {
    this.#request = request
    this.#listener = listener
    this.#headers = outgoingHeaders(request, this.#isSingle)
    const { agent, lookup } = this.#connections
    const start = () => {
      if (this.#isOver) return
      try {
        this.#start()
      } catch (error) {
        this.fail(error as Error)
      }
    }
    // The backend may have closed a kept connection. The event loop reads that before the connection is used again,
    // because a POST on a closed connection would be lost.
    if (!this.#isFresh && Object.keys(agent.freeSockets).length > 0) setImmediate(start)
    else if (lookup) this.#waitForName(lookup, start)
    else start()
  }

  pause(): void {
    this.#response?.pause()
  }

  resume(): void {
    this.#response?.resume()
  }

  abort(): void {
    this.finish()
    this.#outgoing?.destroy()
    // If Node regards the request as finished, the `destroy` of the request does nothing, so the socket is destroyed as
    // well.
    this.#socket?.destroy()
  }

  done(): void {
    if (this.#socket) forgetBrokenWrites(this.#socket)
  }

  #waitForName(lookup: HostLookup, start: () => void): void {
    this.#nameWait = new NameWait()
    this.#nameWait.start(lookup, (error, hasWaited) => {
      if (this.#isOver) return
      if (hasWaited && !error) this.#listener.onLookedUp()
      if (error) this.fail(error)
      else start()
    })
  }

  #start(): void {
    const { body } = this.#request
    const outgoing = createOutgoing(this.#connections, this.#request, this.#headers, this.#isSingle)
    this.#outgoing = outgoing
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      // Once there is a response, reading the response reports how it ended.
      if (this.#response) this.#connectionError = error
      // After a write that failed, the end of the bytes that can be read is only a consequence of that failure.
      else this.fail(error.syscall === undefined ? (this.#writeError ?? error) : error)
    })
    outgoing.on('information', ({ statusCode, rawHeaders, statusMessage }) => {
      if (!this.#isOver) this.#listener.onResponseHead(statusCode, toHeaders(rawHeaders), statusMessage)
    })
    outgoing.on('response', (response) => {
      if (this.#isOver) return
      this.#response = response
      readResponse(response, this, this.#listener)
    })
    outgoing.on('upgrade', (response, socket, head) => {
      if (this.finish()) this.#listener.onSwitched(toHeaders(response.rawHeaders), socket, head)
    })
    if (body) this.#prepareBody(outgoing, body)
    else outgoing.end()
    outgoing.once('socket', (socket) => this.#onSocket(socket))
  }

  #prepareBody(outgoing: ClientRequest, body: NonNullable<UpstreamRequest['body']>): void {
    const listener = this.#listener
    const length = this.#headers['content-length']
    this.#body = new BodySender(outgoing, {
      request: this.#request,
      body,
      announced: length === undefined ? undefined : Number(length),
      maxBody: this.#maxBody,
      onStarted: () => listener.onBodyStarted(),
      onSent: (bytes) => listener.onBodySent(bytes),
      onUnasked: () => listener.onResponseHead(100, {}, 'Continue'),
      onFailed: (error) => this.fail(error),
    })
    outgoing.on('finish', () => {
      if (!this.#writeError) listener.onBodyEnd()
    })
  }

  /** True if the connection is made for this request and not kept after it. */
  get #isSingle(): boolean {
    return this.#isFresh || this.#request.upgrade !== undefined
  }

  #onSocket(socket: Socket): void {
    this.#socket = socket
    // Node removes its own listener when it takes the connection back, and an error may come at that moment.
    if (socket.listenerCount('error', ignore) === 0) socket.on('error', ignore)
    if (this.#body) outliveBrokenWrites(socket, this.#onWriteError)
    const onConnected = () => {
      if (this.#isOver) return
      this.#listener.onStarted()
      if (!this.#isOver) this.#body?.start(socket)
    }
    if (socket.connecting)
      socket.once(this.#connections.address.secure ? 'secureConnect' : 'connect', onConnected)
    else onConnected()
  }

  readonly #onWriteError = (error: Error): void => {
    this.#writeError = error
    if (this.#isOver) return
    this.#body?.stop()
    if (this.#response) this.#stopBody()
  }

  #stopBody(): void {
    this.#body?.stop()
    this.#isBodyStopped = true
    this.#listener.onBodyStopped()
  }

  // `readResponse` calls the following methods.

  onResponse(statusCode: number): void {
    const body = this.#body
    // The backend has responded without waiting for the rest of the body (RFC 9112 section 9.5), or without asking for
    // the body.
    const isRefusal = body !== undefined && !body.ended && (statusCode >= 400 || !body.started)
    if (this.#writeError || isRefusal) this.#stopBody()
  }

  mayLeaveUploadUnread(statusCode: number): boolean {
    return this.#isBodyStopped || (this.#body !== undefined && statusCode >= 400)
  }

  onRead(): void {
    // Node would keep the connection, because it regards the request as finished.
    if (this.#isSingle || this.#writeError || this.#body?.ended === false) this.#socket?.destroy()
  }

  finish(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#nameWait?.giveUp()
    this.#body?.stop()
    return true
  }

  fail(error: Error): void {
    if (this.finish()) this.#listener.onFailed(error)
  }
}

function ignore(): void {}
