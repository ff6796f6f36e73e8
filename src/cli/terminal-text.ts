/**
 * Text that cannot do anything to a terminal: all but printable ASCII is written as `\u{1b}`. What a gateway says
 * is ASCII anyway, and each character takes one column then.
 */
export function terminalText(text: string): string {
  return text.replace(/[^\x20-\x7e]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
}

/**
 * One line of JSON that is harmless on a terminal. Only its strings can contain characters other than ASCII, and these
 * are escaped.
 */
export function terminalJson(document: unknown): string {
  return JSON.stringify(document).replace(
    /[\x7f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
