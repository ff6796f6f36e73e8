/** The code of each character that a field's name may have (RFC 9110 section 5.6.2), in lower case; 0 for others. */
export const LOWER = new Uint8Array(256)
for (const character of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
  LOWER[character.charCodeAt(0)] = character.charCodeAt(0)
  LOWER[character.toUpperCase().charCodeAt(0)] = character.charCodeAt(0)
}

/** Number of names that are kept. */
const SLOTS = 256
/** Longest name that is kept. */
const LONGEST = 40

/** Names that came lately, by their hash. */
const kept: string[] = new Array(SLOTS).fill('')

/**
 * Returns a field's name in lower case. A name that came lately is not made again, because most responses have the same
 * names.
 * @param hash any number that depends on nothing but the lower-case name
 */
export function fieldName(bytes: Buffer, from: number, to: number, hash: number): string {
  const slot = hash & (SLOTS - 1)
  const name = kept[slot] as string
  if (name.length === to - from && isSame(bytes, from, name)) return name
  const made = bytes.toString('latin1', from, to).toLowerCase()
  if (made.length <= LONGEST) kept[slot] = made
  return made
}

function isSame(bytes: Buffer, from: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    if (LOWER[bytes[from + i] as number] !== name.charCodeAt(i)) return false
  }
  return true
}
