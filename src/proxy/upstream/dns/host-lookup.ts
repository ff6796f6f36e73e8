import dns from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { systemClock } from '../../../balancer/time/clock.js'
import { directLookUp } from './direct-lookup.js'
import { NameLookup } from './name-lookup.js'

/** The look-ups of names that all pools of this process share. */
export const systemNames = new NameLookup(
  // `dns.lookup` is read at each call, because an app may replace it later.
  (name, done) => dns.lookup(name, { all: true }, done),
  systemClock,
  directLookUp,
)

/** Looks up the name of one backend, so that connections to the backend can be made. */
export class HostLookup {
  readonly #names: NameLookup
  readonly #name: string
  /**
   * The option `lookup` for Node's connections. The function calls back at once if `wait` was called before and has
   * found addresses.
   */
  readonly lookup: LookupFunction

  constructor(names: NameLookup, name: string) {
    this.#names = names
    this.#name = name
    this.lookup = (_name, options, callback) => {
      const callBack = (addresses: readonly dns.LookupAddress[]) => {
        const [first] = addresses
        if (options.all) callback(null, [...addresses])
        else callback(null, first?.address ?? '', first?.family)
      }
      const known = names.last(name)
      if (known) callBack(known)
      else names.resolve(name, (error, found) => (error ? callback(error, '') : callBack(found)))
    }
  }

  /** Number of addresses that are known. */
  get addressCount(): number {
    return this.#names.last(this.#name)?.length ?? 0
  }

  /**
   * Waits until there are addresses to connect to. This time does not count towards the backend's CONNECT_TIMEOUT.
   * @returns a function that ends the wait; undefined if `done` was called at once
   */
  wait(done: (error: Error | undefined) => void): (() => void) | undefined {
    return this.#names.resolve(this.#name, done)
  }

  /** Notes that a connection to the known addresses has failed. */
  doubt(): void {
    this.#names.doubt(this.#name)
  }
}

/** Makes an object that looks up a host's name. Returns undefined if the host is an IP address, or empty. */
export function hostLookup(names: NameLookup, host: string): HostLookup | undefined {
  return host !== '' && isIP(host) === 0 ? new HostLookup(names, host) : undefined
}
