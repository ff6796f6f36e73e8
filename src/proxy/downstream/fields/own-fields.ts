import { HOP_BY_HOP } from '../../http/hop-by-hop.js'
import { REQUEST_ID } from '../request/request-id.js'

/** Fields of a request that are not passed on as they came: asked of us by the client, or said anew. */
export const OURS: ReadonlySet<string> = new Set([
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
