import { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { ProxyContext } from '../../context.js'
import { MAX_COALESCED_BYTES } from '../../http/coalescing.js'
import { PROTO } from '../../http/fields.js'
import { type UpstreamResponse, WholeBody } from '../../http/response.js'
import { addAffinity } from '../affinity/affinity.js'
import { downstreamOf } from '../downstream.js'
import { type ResponseFieldOptions, responseFields } from '../fields/response-fields.js'
import type { AppHooks } from '../host-app/app-hooks.js'
import { fitAppTrailers } from '../host-app/app-trailers.js'
import { protocolOf } from '../protocol-of.js'
import { BytesPipe } from './bytes-pipe.js'
import { compressed } from './compression.js'
import { endInOneWrite, isPlain } from './one-write.js'

/**
 * Sends a backend's response to the client. Its status was set before.
 * @param isClosing whether the gateway is shutting down, and no connection should be used again
 */
export function sendResponse(
  reply: FastifyReply,
  context: ProxyContext,
  given: UpstreamResponse['body'],
  options: ResponseFieldOptions,
  appHooks: AppHooks,
  isClosing: boolean,
): void {
  const { raw } = reply.request
  const head = context.responseHead as NonNullable<ProxyContext['responseHead']>
  const headers = responseFields(head.headers, raw, context, options)
  const body = options.compresses ? compressed(reply, headers, given) : given
  addAffinity(headers, downstreamOf(reply.request)?.target.affinity, context)
  // A body that is whole needs no chunks, and so one write less.
  if (!appHooks.seeResponses && body instanceof WholeBody && body.bytes.length > 0) {
    headers['content-length'] ??= String(body.bytes.length)
  }
  protocolOf(raw).fitHead(reply, context, headers, isClosing)
  for (const name in headers) {
    // Fastify would lose a field of this name.
    if (name === PROTO) reply.raw.setHeader(name, headers[name] as string | string[])
    else reply.header(name, headers[name])
  }
  // If an error has to be sent after all, the error handler removes these fields again.
  head.headers = headers
  if (appHooks.touchRequests) fitAppTrailers(reply)
  sendBody(reply, body, appHooks.seeResponses)
}

/** @param isSeen whether hooks of the app see the body; such hooks always get a stream */
function sendBody(reply: FastifyReply, body: UpstreamResponse['body'], isSeen: boolean): void {
  if (isSeen) reply.send(body.stream())
  else if (!(body instanceof WholeBody)) reply.send(body.piped())
  else if (body.bytes.length === 0) sendNothing(reply)
  else sendWhole(reply, body)
}

function sendNothing(reply: FastifyReply): void {
  if (reply.statusCode === 204) {
    reply.removeHeader('content-type')
    reply.removeHeader('content-length')
  }
  reply.send()
}

function sendWhole(reply: FastifyReply, body: WholeBody): void {
  const { raw } = reply
  const { bytes } = body
  const isCoalesced = bytes.length <= MAX_COALESCED_BYTES && raw instanceof ServerResponse && isPlain(raw)
  if (isCoalesced) raw.end = endInOneWrite
  // Fastify invents a content-type for bytes that have none, but not for what it takes for a stream.
  if (typeof reply.getHeader('content-type') === 'string') reply.send(bytes)
  else reply.send(isCoalesced ? new BytesPipe(bytes) : body.stream())
}
