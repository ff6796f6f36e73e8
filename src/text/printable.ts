/**
 * Foreign text in a form that is safe in a log: visible ASCII and blanks. Every other character might be meant for a
 * terminal and is written as %XX, once for each byte.
 */
export function printable(text: string): string {
  if (!/[^\x20-\x7e]/.test(text)) return text
  return text.replace(/[^\x20-\x7e]/gu, (letter) => {
    // A character of a header field up to U+00FF stands for one byte.
    const bytes = letter <= '\xff' ? Buffer.from(letter, 'latin1') : Buffer.from(letter)
    return bytes.toString('hex').replaceAll(/../g, (byte) => `%${byte.toUpperCase()}`)
  })
}

/** Matches a path that is shown unchanged. */
const PLAIN = /^\/[\x21\x22\x24-\x3e\x40-\x7e]*$/

/**
 * The path of a request's target, for display: without the query, which may contain secrets, and for a whole URL
 * without user and host.
 */
export function pathOf(target: string): string {
  // Most targets are plain.
  if (PLAIN.test(target)) return target
  const end = target.search(/[?#]/)
  const path = end === -1 ? target : target.slice(0, end)
  return printable(path.startsWith('/') ? path : path.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/]*|.*@)/i, ''))
}
