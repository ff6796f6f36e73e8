/** The value of an option that was given the word `off`. Commander has no null: it would turn it into an empty text. */
export const OFF = Symbol('off')

/** Extends the reader of an option's text by the word `off`: the setting of the pool applies. */
export function orOff<T>(read: (text: string) => T): (text: string) => T | typeof OFF {
  return (text) => (text === 'off' ? OFF : read(text))
}

/** Returns null for the word `off`, as the admin API has it, and any other value as it is. */
export function nullIfOff<T>(value: T | typeof OFF): T | null {
  return value === OFF ? null : (value as T)
}
