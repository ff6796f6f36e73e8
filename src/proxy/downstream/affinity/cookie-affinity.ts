import type { FastifyRequest } from 'fastify'
import type { Backend } from '../../../balancer/backends/backend.js'
import type { KeyTraits } from '../../../balancer/leases/lease-request.js'
import { hashText, homeCodeOf, SEED } from '../../../balancer/selection/affinity/key-hash.js'
import type { Headers } from '../../http/fields.js'
import type { Affinity } from './affinity.js'
import { cookiesNamed, removeCookies, removeCookiesOfApp } from './cookie-field.js'
import { type ClientKey, SignedKeys } from './signed-key.js'

/** Number of cookies of one name that are looked at; a client can send any number. */
const MAX_COOKIES = 4

export interface CookieAffinityOptions {
  /** The name of the pool. */
  pool: string
  /** The secret by which cookies are signed. */
  secret: Buffer
  /** Returns true if the backend with this code may be given requests of its keys. */
  hasHome(code: number): boolean
}

/**
 * The key of a client in a cookie, which a response sets where the request had none. The cookie also names, hidden, the
 * backend that gave this response: so the policy chooses where a session begins, and a backend that joins takes over no
 * session. It serves all pools with this name of a cookie, but only the pool that set it knows its backend.
 */
export class CookieAffinity implements Affinity {
  readonly #name: string
  readonly #keys: SignedKeys
  readonly #pool: number
  readonly #hasHome: (code: number) => boolean

  constructor(name: string, { pool, secret, hasHome }: CookieAffinityOptions) {
    this.#name = name
    this.#keys = new SignedKeys(secret)
    this.#pool = hashText(pool, SEED) >>> 16
    this.#hasHome = hasHome
  }

  keyOf({ raw }: FastifyRequest): KeyTraits | undefined {
    const { cookie } = raw.headers
    if (cookie === undefined || !cookie.includes(this.#name)) return undefined
    const values = cookiesNamed(cookie, this.#name)
    const found = this.#firstOf(values)
    return found?.pool === this.#pool ? found : found && { key: found.key }
  }

  /** A backend must not see the cookie, and so be able to use it in the client's place. */
  strip(request: FastifyRequest): void {
    removeCookies(request.raw, this.#name)
    removeCookiesOfApp(request, this.#name)
  }

  addTo(headers: Headers, key: KeyTraits | undefined, { id }: Backend, isSecure: boolean): void {
    const code = homeCodeOf(id)
    // Where the backend of a session is gone, the session goes on where it is now, even if the backend comes back.
    if (key && (key.home === undefined || key.home === code || this.#hasHome(key.home))) return
    const value = this.#keys.write(code, this.#pool, key?.key)
    const secure = isSecure ? '; Secure' : ''
    const cookie = `${this.#name}=${value}; Path=/; HttpOnly; SameSite=Lax${secure}`
    headers['set-cookie'] = [headers['set-cookie'] ?? [], cookie].flat()
  }

  #firstOf(values: readonly string[]): ClientKey | undefined {
    for (const value of values.slice(0, MAX_COOKIES)) {
      const found = this.#keys.read(value)
      if (found) return found
    }
    return undefined
  }
}
