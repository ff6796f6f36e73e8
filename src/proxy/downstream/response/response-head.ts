import type { FastifyReply } from 'fastify'
import type { ProxyContext } from '../../context.js'
import { type ResponseFieldOptions, responseFields } from '../fields/response-fields.js'
import { protocolOf } from '../protocol-of.js'

/**
 * Sets status and fields of a backend's response, as this client can be sent them.
 * @param isClosing whether the gateway is shutting down, and no connection should be used again
 */
export function setResponseHead(
  reply: FastifyReply,
  context: ProxyContext,
  options: ResponseFieldOptions,
  isClosing: boolean,
): void {
  const { raw } = reply.request
  const head = context.responseHead as NonNullable<ProxyContext['responseHead']>
  const headers = responseFields(head.headers, raw, context, options)
  protocolOf(raw).fitHead(reply, context, headers, isClosing)
  for (const name in headers) reply.header(name, headers[name])
  // If an error has to be sent after all, these fields are removed again.
  head.headers = headers
}
