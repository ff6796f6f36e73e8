import { AddressRanges } from './address-ranges.js'
import { addressUnits } from './address-units.js'

/** Which clients may use a route, by their addresses. */
export interface AccessLists {
  /** Addresses and ranges that may; undefined for any. */
  allow: readonly string[] | undefined
  /** Addresses and ranges that may not, also where `allow` has them. */
  deny: readonly string[]
}

/** The lists of a route, made once when its configuration is loaded. */
export class AccessList {
  readonly #allow: AddressRanges | undefined
  readonly #deny: AddressRanges

  /** @throws {TypeError} for an entry that is neither an address nor a range */
  constructor({ allow, deny }: AccessLists) {
    this.#allow = allow && new AddressRanges(allow)
    this.#deny = new AddressRanges(deny)
  }

  /**
   * Whether a client may use the route.
   * @param address undefined where it is not known, as for a client on a Unix socket: such a client is on no list
   */
  allows(address: string | undefined): boolean {
    const units = address === undefined ? undefined : addressUnits(address)
    if (units === undefined) return this.#allow === undefined
    return !this.#deny.has(units) && this.#allow?.has(units) !== false
  }
}

/** Makes the list of a route; undefined where any client may use the route. */
export function accessListOf({ allow, deny }: AccessLists): AccessList | undefined {
  return allow === undefined && deny.length === 0 ? undefined : new AccessList({ allow, deny })
}
