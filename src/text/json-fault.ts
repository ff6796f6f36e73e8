/** A text is not JSON. The message says what is wrong, and where. */
export class JsonError extends Error {}

/** Parses JSON. @throws {JsonError} that names line and column, which not every version of Node does */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new JsonError(faultOf(text))
  }
}

/** Describes the fault of a text that is not JSON: the first place at which it stops being valid. */
function faultOf(text: string): string {
  const at = new Scanner(text).fault()
  const lines = text.slice(0, at).split(/\r\n|\r|\n/)
  const place = `line ${lines.length}, column ${(lines.at(-1) as string).length + 1}`
  const found = text.codePointAt(at)
  if (found === undefined) return `it ends too early, at ${place}`
  const letter = String.fromCodePoint(found)
  const isPlain = /^[\p{L}\p{N}\p{P}\p{S} ]$/u.test(letter)
  const shown = isPlain
    ? `"${letter}"`
    : `the character U+${found.toString(16).toUpperCase().padStart(4, '0')}`
  return `${shown} is not expected at ${place}`
}

/** Scans a text up to the first place at which it is not valid JSON. */
class Scanner {
  readonly #text: string
  #at = 0
  /** The closing bracket of each object and list that is open. */
  readonly #open: ('}' | ']')[] = []

  constructor(text: string) {
    this.#text = text
  }

  /** The index of the fault; the end of the text where the text ends too early or has no fault. */
  fault(): number {
    // Reads a value, and the text after it, in turn. There is no recursion, because a text may be nested deeply.
    while (this.#value() && this.#after());
    return this.#at
  }

  /** Reads the text before the next comma: names, opening brackets, and one value. */
  #value(): boolean {
    for (;;) {
      this.#blanks()
      if (this.#open.at(-1) === '}' && !this.#name()) return false
      if (!this.#is('{[')) return this.#string() ?? this.#literal()
      this.#open.push(this.#text[this.#at++] === '{' ? '}' : ']')
      this.#blanks()
      // An empty object or list is a complete value.
      if (this.#text[this.#at] === this.#open.at(-1)) return true
    }
  }

  /** Reads closing brackets, and the comma after them. Returns whether another value must follow. */
  #after(): boolean {
    for (;;) {
      this.#blanks()
      const end = this.#open.at(-1)
      if (end === undefined) return false
      if (this.#text[this.#at] === ',') {
        this.#at++
        return true
      }
      if (this.#text[this.#at] !== end) return false
      this.#open.pop()
      this.#at++
    }
  }

  /** Reads the name of a field and its colon. */
  #name(): boolean {
    if (this.#string() !== true) return false
    this.#blanks()
    if (!this.#is(':')) return false
    this.#at++
    this.#blanks()
    return true
  }

  /** Reads a string. Returns undefined where there is none, and false where the string is not valid. */
  #string(): boolean | undefined {
    if (!this.#is('"')) return undefined
    for (this.#at++; this.#at < this.#text.length; this.#at++) {
      const letter = this.#text[this.#at] as string
      if (letter === '"') {
        this.#at++
        return true
      }
      if (letter < ' ') return false
      if (letter !== '\\') continue
      const [escaped] = this.#match(/\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y) ?? []
      if (escaped === undefined) return false
      this.#at += escaped.length - 1
    }
    return false
  }

  #literal(): boolean {
    const [word] = this.#match(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y) ?? []
    this.#at += word?.length ?? 0
    return word !== undefined
  }

  #blanks(): void {
    while (this.#is(' \t\r\n')) this.#at++
  }

  #is(letters: string): boolean {
    const letter = this.#text[this.#at]
    return letter !== undefined && letters.includes(letter)
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at
    return pattern.exec(this.#text)
  }
}
