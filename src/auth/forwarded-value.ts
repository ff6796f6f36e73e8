/** Longest value of a forwarded field, in characters. */
export const MAX_VALUE_LENGTH = 4096

/** Characters that are not sent as they are, and a space at either end, which a recipient would remove. */
const UNSAFE = /[^\x20-\x7e]|%|^ | $/gu
/** Half of a pair of UTF-16. It stands for no character, so that two different texts could become one. */
const LONE_SURROGATE = /\p{Surrogate}/u

/** A value that cannot be sent in a field. */
export class UnsendableValue extends Error {}

/**
 * The value of a request field for a claim or a name, undefined where there is nothing to send. What is not printable
 * ASCII is percent-encoded as UTF-8, and so is the percent sign, so that the recipient gets the very text by decoding.
 * Numbers and booleans are sent as text, lists and objects as JSON.
 * @throws {UnsendableValue} for text that is no Unicode, or longer than {@link MAX_VALUE_LENGTH}
 */
export function forwardedValue(claim: unknown): string | undefined {
  if (claim === undefined || claim === null) return undefined
  const text = typeof claim === 'object' ? JSON.stringify(claim) : String(claim)
  if (text === '') return undefined
  if (LONE_SURROGATE.test(text)) throw new UnsendableValue('it is no Unicode text')
  const value = text.replace(UNSAFE, encodeURIComponent)
  if (value.length > MAX_VALUE_LENGTH) throw new UnsendableValue('it is too long')
  return value
}
