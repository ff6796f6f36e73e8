import { AsyncResource } from 'node:async_hooks'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { contextOf, type ProxyContext } from '../context.js'
import type { Downstream } from '../downstream-port.js'
import type { Headers } from '../http/fields.js'
import { nominatedBy } from '../http/hop-by-hop.js'
import { type Peer, peerOf } from '../http/peer.js'
import { rawHead } from '../http/raw-head.js'
import type { RequestTrace } from '../http/request-trace.js'
import { sendHead } from '../http/send-head.js'
import { sendableTrailers } from '../http/trailers.js'
import type { RouteTarget } from '../route-target.js'
import { addAffinity } from './affinity/affinity.js'
import type { ClientProtocol } from './client-protocol.js'
import { toGatewayError } from './errors/gateway-error.js'
import type { Addresses } from './fields/client-origin.js'
import {
  endToEndFields,
  type ResponseFieldOptions,
  responseFields,
  withoutContent,
} from './fields/response-fields.js'
import { protocolOf } from './protocol-of.js'
import { isUpgrade, takeUpgrade } from './upgrade/upgrade.js'

/** The property of a Fastify request that has its {@link HttpDownstream}. */
export const DOWNSTREAM: unique symbol = Symbol('leastwise.downstream')

declare module 'fastify' {
  interface FastifyRequest {
    /** @internal */
    [DOWNSTREAM]: HttpDownstream | null | undefined
  }
}

/** The client's side of one request, from its arrival on. */
export class HttpDownstream implements Downstream {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** The pool that the request goes to, which may be chosen only before a backend is. */
  target: RouteTarget
  readonly protocol: ClientProtocol
  /** The other end of the connection. A socket forgets its addresses when it is closed. */
  readonly peer: Peer
  /** When the request arrived, in monotonic milliseconds. */
  readonly arrivedAt: number
  /** Whether the client wants to switch to another protocol. */
  readonly isUpgrade: boolean
  trace: RequestTrace | undefined = undefined
  /** Where the request came from; undefined until it is forwarded. */
  addresses: Addresses | undefined = undefined
  /** When the request began to wait for a backend, in monotonic milliseconds; 0 if it did not wait. */
  queuedAt = 0
  /** Whether the request was given to the forwarder. */
  isForwarded = false
  /** Whether the body is being read before a backend is chosen, so that the client must not be silent. */
  isReadingAhead = false
  /** Fields that describe the body with which hooks of the app have replaced the client's. */
  bodyFields: Record<string, string | undefined> | undefined = undefined
  readonly #options: ResponseFieldOptions
  /** The asynchronous context of the request; undefined where nobody needs it. */
  #scope: AsyncResource | undefined = undefined

  constructor(
    request: FastifyRequest,
    reply: FastifyReply,
    target: RouteTarget,
    arrivedAt: number,
    options: ResponseFieldOptions,
  ) {
    this.request = request
    this.reply = reply
    this.target = target
    this.protocol = protocolOf(request.raw)
    this.peer = peerOf(request.raw.socket)
    this.arrivedAt = arrivedAt
    this.isUpgrade = isUpgrade(request.raw)
    this.#options = options
  }

  /** Keeps the present asynchronous context for {@link inContext}. Hooks of an app may have set up another one since. */
  keepContext(): void {
    this.#scope = new AsyncResource('leastwise.request')
  }

  inContext<Args extends unknown[], Result>(act: (...args: Args) => Result, ...args: Args): Result {
    return this.#scope ? this.#scope.runInAsyncScope(act, undefined, ...args) : act(...args)
  }

  fail(error: Error): void {
    if (!this.reply.sent) this.reply.send(toGatewayError(error))
  }

  flushHead(): void {
    const { raw } = this.reply
    // A hook of the app may read the body before Fastify has put the fields into the response.
    if (!raw.headersSent && hasAll(raw, this.reply.getHeaders())) sendHead(raw)
  }

  inform(statusCode: number, headers: Headers): void {
    const { raw } = this.reply
    if (raw.headersSent || raw.destroyed) return
    const fields = withoutContent(endToEndFields(headers, this.#options.via))
    try {
      this.protocol.inform(this.request.raw, raw, statusCode, fields)
    } catch {
      // Node refuses some fields. An informational response is only a hint, so the client gets just the final response.
    }
  }

  break(): void {
    this.inContext(this.protocol.breakOff, this.request.raw, this.reply.raw)
  }

  trailers(fields: Headers): void {
    const { raw } = this.reply
    if (raw.writableEnded || raw.destroyed) return
    const nominated = nominatedBy(contextOf(this.request)?.responseHead?.connection)
    this.protocol.addTrailers(raw, sendableTrailers(fields, nominated && ((name) => nominated.has(name))))
  }

  switchProtocols(headers: Headers): { socket: Socket; head: Buffer } | undefined {
    const { request, reply } = this
    const upgrade = reply.sent ? undefined : takeUpgrade(request.raw)
    if (!upgrade) return undefined
    reply.hijack()
    const context = contextOf(request) as ProxyContext
    const passed = responseFields(headers, request.raw, context, this.#options)
    addAffinity(passed, this.target.affinity, context)
    const fields = { ...withoutContent(passed), connection: 'upgrade', upgrade: headers.upgrade }
    reply.raw.detachSocket(upgrade.socket)
    upgrade.socket.write(rawHead(`HTTP/1.1 101 ${STATUS_CODES[101]}`, fields), 'latin1')
    return upgrade
  }
}

/** The client's side of a request; undefined where no route of a pool handles it. */
export function downstreamOf(request: FastifyRequest): HttpDownstream | undefined {
  return request[DOWNSTREAM] ?? undefined
}

/** Whether Fastify has put the fields of its reply into the response. For a reply without fields this is not known. */
function hasAll(raw: FastifyReply['raw'], headers: object): boolean {
  const names = Object.keys(headers)
  return names.length > 0 && names.every((name) => raw.hasHeader(name))
}
