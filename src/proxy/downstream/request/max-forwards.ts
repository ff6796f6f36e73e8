import type { IncomingMessage } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { HttpDownstream } from '../downstream.js'
import { REQUEST_ID, requestIdOf } from './request-id.js'

/**
 * Decrements the Max-Forwards field of an OPTIONS request; returns false where the request must not be forwarded. RFC
 * 9110 section 7.6.2.
 */
export function mayForward({ headers }: IncomingMessage): boolean {
  const left = String(headers['max-forwards'] ?? '')
  if (!/^\d+$/.test(left)) return true
  const hops = BigInt(left)
  headers['max-forwards'] = String(hops - 1n)
  return hops > 0n
}

/**
 * Answers an OPTIONS that must not be forwarded any further.
 * @param isClosing whether the gateway is shutting down, and no connection should be used again
 */
export function answerOptions(
  { request, reply, protocol }: HttpDownstream,
  allow: string,
  isClosing: boolean,
): FastifyReply {
  if (isClosing) protocol.announceClose(reply)
  return reply.code(204).header('allow', allow).header(REQUEST_ID, requestIdOf(request)).send()
}
