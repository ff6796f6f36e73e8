import { isIPv4, isIPv6 } from 'node:net'

/**
 * Writes an IP address as a text with one character for each 16 bits: two characters for IPv4, also where it is mapped
 * into IPv6 (RFC 4291 section 2.5.5.2), and eight for IPv6. Such texts compare as their addresses do, and one address
 * has one text however it was spelled. The zone of an address is left out.
 * @returns undefined where the text is not an address
 */
export function addressUnits(address: string): string | undefined {
  if (isIPv4(address)) return dottedUnits(address)
  if (!isIPv6(address)) return undefined
  const zone = address.indexOf('%')
  const units = colonUnits(zone === -1 ? address : address.slice(0, zone))
  return units.startsWith(MAPPED) ? units.slice(MAPPED.length) : units
}

/** The units at the start of an IPv4 address that is mapped into IPv6. */
const MAPPED = '\0\0\0\0\0\uffff'

function dottedUnits(address: string): string {
  const [a, b, c, d] = address.split('.') as [string, string, string, string]
  return String.fromCharCode(Number(a) * 256 + Number(b), Number(c) * 256 + Number(d))
}

function colonUnits(address: string): string {
  const gap = address.indexOf('::')
  if (gap === -1) return groupsIn(address)
  const before = groupsIn(address.slice(0, gap))
  const after = groupsIn(address.slice(gap + 2))
  return before + '\0'.repeat(8 - before.length - after.length) + after
}

function groupsIn(text: string): string {
  if (text === '') return ''
  let units = ''
  for (const group of text.split(':')) {
    units += group.includes('.') ? dottedUnits(group) : String.fromCharCode(Number.parseInt(group, 16))
  }
  return units
}
