import { HOP_BY_HOP } from '../../http/hop-by-hop.js'
import { REQUEST_ID } from '../request/request-id.js'

/**
 * Request fields that no backend gets as the client sent them: fields of the client's connection, fields addressed to
 * the gateway itself, and fields that the gateway writes anew.
 */
export const GATEWAY_FIELDS: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  'expect',
  'forwarded',
  'host',
  'proxy-authorization',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-prefix',
  'x-forwarded-proto',
  REQUEST_ID,
])
