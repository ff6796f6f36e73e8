/**
 * Makes a text harmless for a terminal by writing each character other than printable ASCII as an escape such as
 * `\u{1b}`. The values of a gateway are ASCII anyway, and every ASCII character has the width of one column.
 */
export function terminalText(text: string): string {
  return text.replace(/[^\x20-\x7e]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
}

/**
 * Returns a document as one line of JSON that is harmless for a terminal. Only its strings can contain characters other
 * than ASCII, and these are escaped.
 */
export function terminalJson(document: unknown): string {
  return JSON.stringify(document).replace(
    /[\x7f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
