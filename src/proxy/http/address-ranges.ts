import { addressUnits } from './address-units.js'

/** The first and the last address of a range, as {@link addressUnits} writes them. */
interface Range {
  first: string
  last: string
}

const BITS_IN_UNIT = 16
const ALL_ONES = 0xffff

/**
 * Addresses and ranges, in which an address is looked up by halving: 10,000 ranges take 15 comparisons, where
 * node:net's BlockList compares one rule after another.
 */
export class AddressRanges {
  /** The ranges in order, and no two of them overlap. */
  readonly #firsts: string[] = []
  readonly #lasts: string[] = []

  /**
   * @param entries addresses, and ranges such as `10.0.0.0/8`
   * @throws {TypeError} for an entry that is neither
   */
  constructor(entries: readonly string[]) {
    const ranges = entries.map((entry) => {
      const range = rangeOf(entry)
      if (!range) throw new TypeError(`"${entry}" is neither an IP address nor a range of them`)
      return range
    })
    ranges.sort((one, other) => compare(keyOf(one.first), keyOf(other.first)))
    for (const { first, last } of ranges) {
      const previous = this.#lasts.length - 1
      const start = keyOf(first)
      const end = keyOf(last)
      const known = this.#lasts[previous]
      if (known !== undefined && start <= known) {
        if (end > known) this.#lasts[previous] = end
        continue
      }
      this.#firsts.push(start)
      this.#lasts.push(end)
    }
  }

  /** @param address as {@link addressUnits} writes it */
  has(address: string): boolean {
    const key = keyOf(address)
    let low = 0
    let high = this.#firsts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#firsts[middle] as string) <= key) low = middle + 1
      else high = middle
    }
    return low > 0 && key <= (this.#lasts[low - 1] as string)
  }
}

/** Whether a text is an IP address, or a range of addresses. A range in which other bits than those of the network are set is one, too. */
export function isAddressRange(text: string): boolean {
  return rangeOf(text) !== undefined
}

/** Addresses of IPv4 stand before those of IPv6, so that no range has both. */
function keyOf(address: string): string {
  return (address.length === 2 ? '4' : '6') + address
}

function compare(one: string, other: string): number {
  if (one === other) return 0
  return one < other ? -1 : 1
}

function rangeOf(entry: string): Range | undefined {
  const [, address = '', length] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(entry) ?? []
  const units = addressUnits(address)
  if (units === undefined) return undefined
  const bits = units.length * BITS_IN_UNIT
  // An IPv4 address that is mapped into IPv6 may have its length in bits of IPv6.
  const offset = address.includes(':') ? 128 - bits : 0
  const network = length === undefined ? bits : Number(length) - offset
  if (network < 0 || network > bits) return undefined
  return { first: bounded(units, network, 0), last: bounded(units, network, ALL_ONES) }
}

/** An address whose bits after those of the network are all zeros, or all ones. */
function bounded(units: string, network: number, fill: 0 | typeof ALL_ONES): string {
  let result = ''
  for (let i = 0; i < units.length; i++) {
    const kept = Math.min(Math.max(network - i * BITS_IN_UNIT, 0), BITS_IN_UNIT)
    const mask = (ALL_ONES << (BITS_IN_UNIT - kept)) & ALL_ONES
    result += String.fromCharCode((units.charCodeAt(i) & mask) | (fill & ~mask))
  }
  return result
}
