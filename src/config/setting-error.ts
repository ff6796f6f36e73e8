import type { Setting } from './settings/setting.js'

/**
 * The error for a value that is not acceptable. The message is one line with the setting, the value and what is
 * accepted.
 */
export class SettingError extends Error {
  /** Name of the setting as the user wrote it: an environment variable or an option. */
  readonly setting: string

  constructor(setting: string, message: string) {
    super(`${setting} ${message}`)
    this.name = 'SettingError'
    this.setting = setting
  }
}

/**
 * Makes the error for a value that a setting does not accept.
 * @param label name of the setting in the user's terms: an environment variable or an option
 */
export function refuse(setting: Setting, label: string, value: unknown, why = ''): SettingError {
  // Numbers are written by `String`, because JSON has no text for Infinity and would write null.
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value))
  return refusePart(setting, label, setting.secret ? 'its value' : presentable(text), why)
}

/**
 * Makes the error for a value of which only one part is wrong. `part` is the text of that part, with secrets hidden.
 */
export function refusePart(setting: Setting, label: string, part: string, why: string): SettingError {
  const reason = why && ` (${presentable(why)})`
  return new SettingError(
    label,
    `does not accept ${presentable(part)}${reason}: it takes ${setting.type.accepts}`,
  )
}

/** Longest part of a value that a message repeats, in characters. */
const MAX_SHOWN_LENGTH = 200

/** Returns a value as one line of limited length, with the credentials of a URL hidden. */
export function presentable(text: string): string {
  const masked = text.replace(/\/\/.*@/s, '//***@').replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ')
  return masked.length > MAX_SHOWN_LENGTH ? `${masked.slice(0, MAX_SHOWN_LENGTH)}…` : masked
}
