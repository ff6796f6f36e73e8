import { type ClientRequest, type IncomingMessage, request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { connect, type Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { connect as tlsConnect } from 'node:tls'
import { ClientGoneError } from '../../../balancer/errors.js'
import type { UploadSource } from '../../context.js'
import type { FieldLines, Headers } from '../../http/fields.js'
import { sendHead } from '../../http/send-head.js'
import { addTrailers, type TrailerRule } from '../../http/trailers.js'
import type { HostLookup } from '../dns/host-lookup.js'
import {
  BadResponseError,
  CutShortError,
  UploadBrokenError,
  UploadTooLargeError,
  WrongLengthError,
} from '../failures/failures.js'
import { outliveBrokenWrites } from './broken-writes.js'
import { isSilent, type Transport } from './connection.js'
import type { Connections } from './connections.js'

/** What is sent by Node's client. */
export interface NodeRequestOptions {
  method: string
  path: string
  headers: FieldLines
  body: Readable | undefined
  /** The request that the client sends, where the body is not its own. */
  source: UploadSource | undefined
  /** Bytes of the body that are sent at most; 0 for any. */
  maxBody: number
  /** Protocol to switch to. */
  upgrade: string | undefined
  /** Whether the backend may ask for the body before it is sent. */
  expectsContinue: boolean
  takesTrailers: boolean
  /** Which trailers of the body are not sent. */
  isTrailerLeftOut: TrailerRule | undefined
  /** Not on a connection that was used before. */
  fresh: boolean
}

/** Holds an answer back while nobody takes it. */
export interface Flow {
  pause(): void
  resume(): void
}

/** What becomes of it; after `onAnswerEnd`, `onSwitched` or `onFailed` there is nothing more. */
export interface NodeRequestHandler {
  /** The backend's name was waited for, and the connection begins now. */
  onLookedUp(): void
  /** There is a connection, and the head is on its way. */
  onStarted(flow: Flow): void
  /** The first part of the body is about to be read. */
  onBodyTaken(): void
  /** Part of the body was sent. */
  onBodyMoved(length: number): void
  /** All of it was sent that will be. */
  onBodySent(): void
  /** The backend does not want the rest of it. */
  onBodyStopped(): void
  onAnswerHead(statusCode: number, headers: Headers, statusMessage: string): void
  onAnswerData(chunk: Buffer): void
  onAnswerEnd(trailers: Headers): void
  onSwitched(headers: Headers, socket: Socket, head: Buffer): void
  onFailed(error: Error): void
}

/** While there is nothing to send, only a probe of TCP finds that a backend has vanished: there is one each minute. */
const KEEP_ALIVE_PROBES = { keepAlive: true, keepAliveInitialDelay: 60_000 }

/** Milliseconds that a backend has to ask for a body that was announced with Expect. RFC 9110 section 10.1.1. */
const CONTINUE_GRACE = 1000

/**
 * A request by Node's own client: it can do what undici's cannot, at a third more CPU time. Bodies with
 * trailers, waiting for 100 (Continue), upgrades, TE, `OPTIONS *`, informational answers of any kind, and a
 * connection that is certainly new.
 */
export class NodeRequest implements Transport, Flow {
  readonly #handler: NodeRequestHandler
  readonly #options: NodeRequestOptions
  #request: ClientRequest | undefined
  #socket: Socket | undefined
  #response: IncomingMessage | undefined
  #bodyStarted = false
  #taken = 0
  /** Bytes of the body that the head announces; undefined where it does not say. */
  #announced: number | undefined
  #uploaded = false
  /** The backend answers without having taken all of the body. */
  #stopped = false
  #grace: NodeJS.Timeout | undefined
  /** An error that came while an answer was being read. */
  #error: Error | undefined
  /** A write failed: the backend takes nothing any more, and what it has said is yet to be read. */
  #broken: Error | undefined
  #over = false
  /** Set while the backend's name is looked up: gives that up. */
  #leaveLookup: (() => void) | undefined

  constructor(connections: Connections, options: NodeRequestOptions, handler: NodeRequestHandler) {
    this.#handler = handler
    this.#options = options
    const start = () => {
      if (this.#over) return
      try {
        this.#start(connections)
      } catch (error) {
        this.#fail(error as Error)
      }
    }
    // What a kept connection has to say, as that it was closed, is to be heard before it is used again; a
    // POST would be lost on it.
    if (!options.fresh && Object.keys(connections.agent.freeSockets).length > 0) setImmediate(start)
    else if (connections.lookup) this.#lookUp(connections.lookup, start)
    else start()
  }

  #lookUp(lookup: HostLookup, start: () => void): void {
    this.#leaveLookup = lookup.wait((error) => {
      const waited = this.#leaveLookup !== undefined
      this.#leaveLookup = undefined
      if (error) {
        this.#fail(error)
        return
      }
      if (waited && !this.#over) this.#handler.onLookedUp()
      start()
    })
  }

  get lookingUp(): boolean {
    return this.#leaveLookup !== undefined
  }

  get reused(): boolean {
    return this.#request?.reusedSocket === true
  }

  get silent(): boolean {
    return isSilent(this.#socket)
  }

  get blocked(): boolean {
    const request = this.#request
    if (this.#broken) return true
    return request !== undefined && (request.writableNeedDrain || (request.socket?.writableLength ?? 0) > 0)
  }

  abort(): void {
    this.#finish()
    this.#request?.destroy()
    // Node takes no notice where it holds the request for over.
    this.#socket?.destroy()
  }

  done(): void {}

  pause(): void {
    this.#response?.pause()
  }

  resume(): void {
    this.#response?.resume()
  }

  #start(connections: Connections): void {
    const { method, path, body, upgrade, expectsContinue } = this.#options
    const single = this.#single
    const { secure, ...address } = connections.address
    const lookup = connections.lookup?.lookup
    const target = {
      ...address,
      ...KEEP_ALIVE_PROBES,
      ...(lookup && { lookup }),
      noDelay: true,
      allowHalfOpen: upgrade !== undefined,
    }
    const request = (secure ? tlsRequest : plainRequest)({
      ...target,
      method,
      path,
      setHost: false,
      maxHeaderSize: connections.maxHeaderSize,
      headers: this.#headers(),
      // Without an agent a connection is made for this request alone.
      ...(single
        ? { createConnection: () => (secure ? tlsConnect(target) : connect(target)) }
        : { agent: connections.agent }),
    })
    this.#request = request
    // The size of a head is limited; past a number of fields Node would forget the rest, and with it a length.
    request.maxHeadersCount = 0
    request.on('error', (error) => {
      // After the answer's head the answer itself tells how it ended.
      if (this.#response) this.#error = error
      else this.#fail(this.#firstOf(error))
    })
    request.on('information', ({ statusCode, rawHeaders, statusMessage }) => {
      if (!this.#over) this.#handler.onAnswerHead(statusCode, gathered(rawHeaders), statusMessage)
    })
    request.on('response', (response) => this.#onResponse(response))
    request.on('upgrade', (response, socket, head) => {
      if (this.#finish()) this.#handler.onSwitched(gathered(response.rawHeaders), socket, head)
    })
    if (body) {
      request.on('finish', () => {
        if (!this.#broken) this.#handler.onBodySent()
      })
      if (expectsContinue) request.once('continue', () => this.#sendBody())
    } else {
      request.end()
    }
    request.once('socket', (socket) => this.#onSocket(socket, secure))
  }

  /** Whether the connection is made for this request, and not kept after it. */
  get #single(): boolean {
    return this.#options.fresh || this.#options.upgrade !== undefined
  }

  #headers(): Headers {
    const { headers: lines, body, upgrade, expectsContinue, takesTrailers } = this.#options
    const headers = gathered(lines)
    const connection: string[] = []
    if (upgrade !== undefined) {
      headers.upgrade = upgrade
      connection.push('upgrade')
    } else {
      connection.push(this.#single ? 'close' : 'keep-alive')
    }
    if (takesTrailers) {
      headers.te = 'trailers'
      connection.push('te')
    }
    headers.connection = connection.join(', ')
    if (body) {
      const length = headers['content-length']
      if (length === undefined) headers['transfer-encoding'] = 'chunked'
      else this.#announced = Number(length)
      if (expectsContinue) headers.expect = '100-continue'
    }
    // Node refuses to name trailers that it has no place for.
    if (headers['transfer-encoding'] === undefined) delete headers.trailer
    return headers
  }

  #onSocket(socket: Socket, secure: boolean): void {
    this.#socket = socket
    // Node stops listening when it takes the connection back, and an error may come just then.
    if (socket.listenerCount('error', ignore) === 0) socket.on('error', ignore)
    if (this.#options.body) outliveBrokenWrites(socket, this.#onBroken)
    const ready = () => {
      if (this.#over) return
      this.#handler.onStarted(this)
      if (this.#over || !this.#options.body) return
      // A client that does not wait for an answer has sent some of it already.
      if (this.#options.expectsContinue && this.#options.body.readableLength === 0) this.#waitToBeAsked()
      else this.#sendBody()
    }
    if (socket.connecting) socket.once(secure ? 'secureConnect' : 'connect', ready)
    else ready()
  }

  #waitToBeAsked(): void {
    if (this.#request) sendHead(this.#request)
    this.#grace = setTimeout(() => {
      this.#handler.onAnswerHead(100, {}, 'Continue')
      this.#sendBody()
    }, CONTINUE_GRACE)
  }

  #sendBody(): void {
    clearTimeout(this.#grace)
    const { body } = this.#options
    const request = this.#request
    if (this.#over || this.#bodyStarted || !body || !request) return
    this.#bodyStarted = true
    this.#handler.onBodyTaken()
    // Head and a body that is there already go out together. (The request's own cork loses chunks on Node 24.)
    this.#socket?.cork()
    sendHead(request)
    body.on('data', this.#progress)
    body.once('end', this.#bodyEnded)
    body.once('error', this.#bodyFailed)
    body.once('close', this.#bodyClosed)
    body.pipe(request, { end: false })
    setImmediate(() => this.#socket?.uncork())
  }

  readonly #progress = (chunk: Buffer): void => {
    this.#taken += chunk.length
    const { maxBody } = this.#options
    if (maxBody > 0 && this.#taken > maxBody) this.#fail(new UploadTooLargeError(maxBody))
    else if (this.#taken > (this.#announced ?? this.#taken)) this.#failLength()
    else this.#handler.onBodyMoved(chunk.length)
  }

  /** The backend would take what is too much for a next request, and wait for what is missing. */
  #failLength(): void {
    this.#fail(new WrongLengthError(this.#announced as number))
  }

  readonly #bodyEnded = (): void => {
    if (this.#taken !== (this.#announced ?? this.#taken)) {
      this.#failLength()
      return
    }
    const { body, source, isTrailerLeftOut } = this.#options
    const request = this.#request as ClientRequest
    this.#uploaded = true
    const { rawTrailers } = source ?? (body as IncomingMessage)
    if (rawTrailers?.length) addTrailers(request, gathered(rawTrailers), isTrailerLeftOut)
    request.end()
  }

  readonly #bodyFailed = (error: Error): void => {
    const { source } = this.#options
    // What a hook makes of a body breaks when the client leaves, too.
    const isGone = !source || (source.destroyed && !source.complete)
    this.#fail(isGone ? new ClientGoneError() : new UploadBrokenError(error))
  }

  readonly #bodyClosed = (): void => {
    if (!this.#uploaded) this.#bodyFailed(new Error('it has no end'))
  }

  readonly #onBroken = (error: Error): void => {
    this.#broken = error
    if (this.#over) return
    this.#stopBody()
    if (!this.#response) return
    this.#stopped = true
    this.#handler.onBodyStopped()
  }

  /** The error that there was first: the end of what was read is only its consequence. */
  #firstOf(error: NodeJS.ErrnoException): Error {
    return error.syscall === undefined ? (this.#broken ?? error) : error
  }

  #stopBody(): void {
    clearTimeout(this.#grace)
    const { body } = this.#options
    if (!body || !this.#bodyStarted) return
    body.off('data', this.#progress)
    body.off('end', this.#bodyEnded)
    body.off('close', this.#bodyClosed)
    if (this.#request) body.unpipe(this.#request)
    // Not `error`: one may still come, and somebody has to listen.
  }

  #onResponse(response: IncomingMessage): void {
    if (this.#over) return
    this.#response = response
    const { statusCode = 0, statusMessage = '', httpVersionMajor } = response
    if (httpVersionMajor !== 1) {
      this.#fail(new BadResponseError(`version ${response.httpVersion} is not spoken`))
      return
    }
    // It has made up its mind without the rest of the body (RFC 9112 section 9.5), or without asking for it.
    const refused = statusCode >= 400 || !this.#bodyStarted
    if (this.#broken || (this.#options.body && !this.#uploaded && refused)) {
      this.#stopBody()
      this.#bodyStarted = true
      this.#stopped = true
      this.#handler.onBodyStopped()
    }
    const fields = gathered(response.rawHeaders)
    const lengthKnown = fields['content-length'] !== undefined || fields['transfer-encoding'] !== undefined
    response.on('data', (chunk: Buffer) => {
      if (!this.#over) this.#handler.onAnswerData(chunk)
    })
    response.once('end', () => {
      // A backend that leaves some of an upload unread resets the connection by closing it, though we had sent it all.
      const leftUnread = this.#stopped || (this.#options.body !== undefined && statusCode >= 400)
      const cut = !response.complete || (this.#error && !lengthKnown && !leftUnread)
      if (cut) this.#fail(this.#error ?? new CutShortError())
      else if (this.#finish()) {
        this.#handler.onAnswerEnd(gathered(response.rawTrailers))
        // Node takes the request for over, and its connection for one that might be kept.
        if (this.#single || this.#broken || (this.#options.body && !this.#uploaded)) this.#socket?.destroy()
      }
    })
    const broken = (error?: Error) => this.#fail(this.#error ?? error ?? new CutShortError())
    response.once('error', broken)
    response.once('close', () => broken())
    this.#handler.onAnswerHead(statusCode, fields, statusMessage)
  }

  /** Returns false where it was over before. */
  #finish(): boolean {
    if (this.#over) return false
    this.#over = true
    this.#leaveLookup?.()
    this.#stopBody()
    return true
  }

  #fail(error: Error): void {
    if (this.#finish()) this.#handler.onFailed(error)
  }
}

function ignore(): void {}

/** Fields by lower-case name, each line kept: Node joins some, and forgets all but the first of others. */
function gathered(raw: readonly string[]): Headers {
  // Whatever it is called, a field is a field.
  const headers: Headers = Object.create(null)
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase()
    const value = raw[i + 1] as string
    const before = headers[name]
    if (before === undefined) headers[name] = value
    else if (Array.isArray(before)) before.push(value)
    else headers[name] = [before, value]
  }
  return headers
}
