import type { Trust } from '../../http/trust.js'
import { addressesOf } from '../fields/client-origin.js'
import { receivedFrom } from '../fields/untrusted-fields.js'
import type { Affinity } from './affinity.js'
import { CookieAffinity, type CookieAffinityOptions } from './cookie-affinity.js'

export interface AffinityOptions extends CookieAffinityOptions {
  /** The setting `affinity`. */
  affinity: string
  /** Which proxies are trusted to say where a request came from. */
  trust: Trust
}

/** Returns what finds the keys of requests; undefined where requests have none. */
export function affinityOf(options: AffinityOptions): Affinity | undefined {
  const [kind, name = ''] = options.affinity.split(/:(.*)/s, 2)
  if (kind === 'ip') return addressAffinity(options.trust)
  if (kind === 'header') return fieldAffinity(name.toLowerCase())
  if (kind === 'cookie') return new CookieAffinity(name === '' ? DEFAULT_COOKIE : name, options)
  return undefined
}

const DEFAULT_COOKIE = 'leastwise'

function addressAffinity(trust: Trust): Affinity {
  return {
    keyOf(request, peer) {
      const { clientAddress } = addressesOf(receivedFrom(request, peer), trust)
      // A proxy may spell an IPv6 address in capitals.
      return clientAddress === null ? undefined : { key: clientAddress.toLowerCase() }
    },
    strip() {},
    addTo() {},
  }
}

function fieldAffinity(name: string): Affinity {
  return {
    keyOf({ headers }) {
      const value = headers[name]
      const key = Array.isArray(value) ? value.join(', ') : value
      return key ? { key } : undefined
    },
    strip() {},
    addTo() {},
  }
}
