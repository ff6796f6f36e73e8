import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { contextOf, type ProxyContext } from '../context.js'
import type { Downstream } from '../downstream-port.js'
import type { Headers } from '../http/fields.js'
import { nominatedBy } from '../http/hop-by-hop.js'
import { rawHead } from '../http/raw-head.js'
import { reset } from '../http/reset.js'
import { sendHead } from '../http/send-head.js'
import { addTrailers } from '../http/trailers.js'
import { destroyInOrder } from './connection/pipeline.js'
import { toGatewayError } from './errors/errors.js'
import { toClient, toHttp2 } from './fields/forwarding.js'
import { type ResponseOptions, responseFields } from './response/response-fields.js'
import { takeUpgrade } from './upgrade/upgrade.js'

/** Bytes that may wait to be read before informational answers are left out. */
const HINTS_AHEAD = 64 * 1024

/** Whoever waits for the answer, as a backend's side may reach it. */
export class ClientSide implements Downstream {
  readonly #request: IncomingMessage
  readonly #reply: FastifyReply
  readonly #options: ResponseOptions

  constructor(request: FastifyRequest, reply: FastifyReply, options: ResponseOptions) {
    this.#request = request.raw
    this.#reply = reply
    this.#options = options
  }

  fail(error: Error): void {
    if (!this.#reply.sent) this.#reply.send(toGatewayError(error))
  }

  flushHead(): void {
    const { raw } = this.#reply
    // Not before Fastify has put anything into it: a hook of the app may read the body first.
    if (!raw.headersSent && hasAll(raw, this.#reply.getHeaders())) sendHead(raw)
  }

  inform(statusCode: number, headers: Headers): void {
    const raw = this.#reply.raw as ServerResponse | Http2ServerResponse
    if (raw.headersSent || raw.destroyed) return
    try {
      this.#hint(raw, statusCode, withoutContent(toClient(headers, this.#options.via)))
    } catch {
      // Node is particular about what may be in some of them. They are hints, and the answer comes without.
    }
  }

  #hint(raw: ServerResponse | Http2ServerResponse, statusCode: number, headers: Headers): void {
    if ('stream' in raw) {
      // HTTP/2 says it its own way, and has none for 101.
      if (statusCode !== 100) raw.stream.additionalHeaders({ ...toHttp2(headers), ':status': statusCode })
      return
    }
    // Not to HTTP/1.0, RFC 9110 section 15.2.
    if (this.#request.httpVersionMinor === 0) return
    // A client that does not read is not sent hints without end.
    if (raw.writableLength + (raw.socket?.writableLength ?? 0) > HINTS_AHEAD) return
    // The answers to what the client sent before come first, and Node would put a hint that waits for them between
    // the head and the body of this one.
    if (!raw.socket) return
    if (statusCode === 100) raw.writeContinue()
    // Node has a call for some, and for each with an idea of what may be in it.
    else raw.socket.write(rawHead(statusLine(statusCode), headers), 'latin1')
  }

  break(): void {
    const { raw } = this.#reply
    if ('stream' in raw || raw.destroyed) return
    // Where the end of the connection is the end of the answer, only a reset is none.
    const closes = raw.headersSent && !raw.chunkedEncoding && raw.getHeader('content-length') === undefined
    if (!raw.socket) destroyInOrder(this.#request, raw)
    else if (closes) reset(raw.socket)
  }

  trailers(fields: Headers): void {
    const { raw } = this.#reply
    if (raw.writableEnded || raw.destroyed) return
    const nominated = nominatedBy(contextOf(this.#reply.request)?.responseHead?.connection)
    addTrailers(raw, fields, nominated && ((name) => nominated.has(name)))
  }

  switchProtocols(headers: Headers): { socket: Socket; head: Buffer } | undefined {
    const reply = this.#reply
    const upgrade = reply.sent ? undefined : takeUpgrade(this.#request)
    if (!upgrade) return undefined
    reply.hijack()
    const context = contextOf(reply.request) as ProxyContext
    const passed = responseFields(headers, this.#request, context, this.#options)
    const fields = { ...withoutContent(passed), connection: 'upgrade', upgrade: headers.upgrade }
    reply.raw.detachSocket(upgrade.socket)
    upgrade.socket.write(rawHead(statusLine(101), fields), 'latin1')
    return upgrade
  }
}

/** Whether Fastify has put the fields of its reply into the response; a response without any cannot tell. */
function hasAll(raw: FastifyReply['raw'], headers: object): boolean {
  const names = Object.keys(headers)
  return names.length > 0 && names.every((name) => raw.hasHeader(name))
}

function statusLine(statusCode: number): string {
  return `HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? ''}`
}

/** The fields of an answer that has no content and must not speak of any, RFC 9110 section 8.6. */
function withoutContent(headers: Headers): Headers {
  const { 'content-length': _length, trailer: _trailer, ...rest } = headers
  return rest
}
