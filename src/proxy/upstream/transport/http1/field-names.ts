/** The code of each character that a field's name may have (RFC 9110 section 5.6.2), in lower case; 0 for others. */
export const LOWER = new Uint8Array(256)
for (const character of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
  LOWER[character.charCodeAt(0)] = character.charCodeAt(0)
  LOWER[character.toUpperCase().charCodeAt(0)] = character.charCodeAt(0)
}

/** Number of names that are kept. */
const SLOTS = 512
/** Longest name that is kept. */
const LONGEST = 40

/** Names that came lately. Each has a slot that depends on the name only. */
const kept: string[] = new Array(SLOTS).fill('')

/**
 * Returns a field's name in lower case. A name that came lately is not made again, because most responses have the same
 * names.
 */
export function fieldName(bytes: Buffer, from: number, to: number): string {
  const slot = slotOf(bytes, from, to)
  const name = kept[slot] as string
  if (name.length === to - from && isSame(bytes, from, name)) return name
  const made = bytes.toString('latin1', from, to).toLowerCase()
  if (made.length <= LONGEST) kept[slot] = made
  return made
}

/** Returns the slot of a name. Its length and three of its characters tell nearly all usual names apart. */
function slotOf(bytes: Buffer, from: number, to: number): number {
  const first = LOWER[bytes[from] as number] as number
  const middle = LOWER[bytes[(from + to) >> 1] as number] as number
  const last = LOWER[bytes[to - 1] as number] as number
  return (((first * 31 + middle) * 31 + last) * 31 + to - from) & (SLOTS - 1)
}

function isSame(bytes: Buffer, from: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    if (LOWER[bytes[from + i] as number] !== name.charCodeAt(i)) return false
  }
  return true
}
