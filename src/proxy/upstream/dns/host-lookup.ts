import dns from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { systemClock } from '../../../balancer/time/clock.js'
import { directLookUp } from './direct-lookup.js'
import { NameLookup } from './name-lookup.js'

/** What all pools of this process know of names. */
export const systemNames = new NameLookup(
  // Not `dns.lookup` itself: an app may replace that later by a look-up of its own.
  (name, done) => dns.lookup(name, { all: true }, done),
  systemClock,
  directLookUp,
)

/** The addresses of one backend's host, for those who connect to it. */
export class HostLookup {
  readonly #names: NameLookup
  readonly #name: string
  /** For Node's own connections: answers at once where the name was waited for before. */
  readonly lookup: LookupFunction

  constructor(names: NameLookup, name: string) {
    this.#names = names
    this.#name = name
    this.lookup = (_name, options, callback) => {
      const answer = (addresses: readonly dns.LookupAddress[]) => {
        const [first] = addresses
        if (options.all) callback(null, [...addresses])
        else callback(null, first?.address ?? '', first?.family)
      }
      const known = names.last(name)
      if (known) answer(known)
      else names.resolve(name, (error, found) => (error ? callback(error, '') : answer(found)))
    }
  }

  /**
   * Waits until there are addresses to connect to. The time is not the backend's.
   * @returns stops waiting; undefined where it was called back at once
   */
  wait(done: (error: Error | undefined) => void): (() => void) | undefined {
    return this.#names.resolve(this.#name, done)
  }

  /** The backend was not found at its addresses. */
  doubt(): void {
    this.#names.doubt(this.#name)
  }
}

/** Undefined for an address, which there is nothing to look up about. */
export function hostLookup(names: NameLookup, host: string): HostLookup | undefined {
  return isIP(host) === 0 ? new HostLookup(names, host) : undefined
}
