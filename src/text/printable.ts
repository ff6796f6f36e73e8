/**
 * Text from elsewhere as it may be in a log: visible ASCII and blanks. Whatever else is in it, which might be meant for
 * a terminal, is written as %XX, one for each byte.
 */
export function printable(text: string): string {
  if (!/[^\x20-\x7e]/.test(text)) return text
  return text.replace(/[^\x20-\x7e]/gu, (letter) => {
    // Letters of a header are bytes.
    const bytes = letter <= '\xff' ? Buffer.from(letter, 'latin1') : Buffer.from(letter)
    return bytes.toString('hex').replaceAll(/../g, (byte) => `%${byte.toUpperCase()}`)
  })
}

/** A path, and nothing that has to be taken off or written otherwise. */
const PLAIN = /^\/[\x21\x22\x24-\x3e\x40-\x7e]*$/

/**
 * The path of a request's target, to be shown: without the query, which may hold secrets, and of a whole URL without
 * who it names as user and host.
 */
export function pathOf(target: string): string {
  // As most are.
  if (PLAIN.test(target)) return target
  const end = target.search(/[?#]/)
  const path = end === -1 ? target : target.slice(0, end)
  return printable(path.startsWith('/') ? path : path.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/]*|.*@)/i, ''))
}
