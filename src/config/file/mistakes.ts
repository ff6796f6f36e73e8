import { mistakeLine } from '../../text/mistake-line.js'
/** Names of fields, and places in lists from 0 on, from the whole document to a part of it. */
export type Path = readonly (string | number)[]

/** A mistake in a file, or in a file that it names. Line and column count from 1, and are null where there is none. */
export interface ConfigMistake {
  file: string
  line: number | null
  column: number | null
  /** The part of the document, as `routes[2].auth.jwt.issuer`; empty for all of it. */
  path: string
  message: string
}

/** The error that has all mistakes of a file, in the order of their lines. Its message has a line for each. */
export class ConfigFileError extends Error {
  readonly mistakes: readonly ConfigMistake[]
  /** Absolute paths of the file and of the files that it names, as far as they are known. */
  files: readonly string[] = []

  constructor(mistakes: readonly ConfigMistake[]) {
    super(mistakes.map(mistakeLine).join('\n'))
    this.name = 'ConfigFileError'
    this.mistakes = mistakes
  }
}

/** Writes a path as `routes[2].match`. A name that is not a plain word is in brackets and quotation marks. */
export function pathText(path: Path): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else if (/^[\w-]{1,100}$/.test(part)) text += text === '' ? part : `.${part}`
    else text += `[${shown(part)}]`
  }
  return text
}

/** Most mistakes that are looked for. A person mends a few, and a file that has more is another kind of file. */
export const MAX_MISTAKES = 1000

/** Longest part of a value that a message repeats, in characters. */
const MAX_SHOWN_LENGTH = 100

/** A value as a message repeats it: on one line, of limited length, and without the credentials of a URL. */
export function shown(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value))
  const masked = text.replace(/\/\/[^"]*@/g, '//***@').replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '?')
  return masked.length > MAX_SHOWN_LENGTH ? `${masked.slice(0, MAX_SHOWN_LENGTH)}…` : masked
}

interface Place {
  line: number
  column: number
}

/** What the mistakes need to know of the document. */
export interface Places {
  /** The place of a field's name, or of its value; of the nearest part around it where there is none. */
  placeOf(path: Path, part: 'name' | 'value'): Place
  /** The value for a message, in which nothing is shown that is from the environment. */
  shownValue(path: Path, value: unknown): string
  /** Whether a part of the value is from the environment. */
  isInserted(path: Path): boolean
  /** A text as it is written; undefined where there is none. */
  writtenText(path: Path): string | undefined
}

/** Collects the mistakes of a file. */
export class Mistakes {
  readonly #file: string
  readonly #places: Places
  readonly #found: ConfigMistake[] = []
  /** The paths of the mistakes, and those of what they are in. */
  readonly #covered = new Set<string>()

  constructor(file: string, places: Places) {
    this.#file = file
    this.#places = places
  }

  get count(): number {
    return this.#found.length
  }

  /**
   * Adds a mistake.
   * @param part whether the name of the field is wrong, or its value
   * @throws {ConfigFileError} if there are too many
   */
  add(path: Path, message: string, part: 'name' | 'value' = 'value'): void {
    for (let end = 0; end <= path.length; end++) this.#covered.add(pathText(path.slice(0, end)))
    this.#found.push({ file: this.#file, ...this.#places.placeOf(path, part), path: pathText(path), message })
    if (this.#found.length >= MAX_MISTAKES) this.throwIfAny()
  }

  /** Adds a mistake with the value, which is left out where it is from the environment. */
  refuse(path: Path, value: unknown, why: string): void {
    this.add(path, `does not accept ${this.#places.shownValue(path, value)}: ${why}`)
  }

  shownValue(path: Path, value: unknown): string {
    return this.#places.shownValue(path, value)
  }

  writtenText(path: Path): string | undefined {
    return this.#places.writtenText(path)
  }

  isInserted(path: Path): boolean {
    return this.#places.isInserted(path)
  }

  /** The line of a part of the document. */
  lineOf(path: Path): number {
    return this.#places.placeOf(path, 'value').line
  }

  /** Whether a part of the document, or what is in it, has a mistake already. */
  covers(path: Path): boolean {
    return this.#covered.has(pathText(path))
  }

  /** @throws {ConfigFileError} if there are mistakes */
  throwIfAny(): void {
    if (this.#found.length === 0) return
    const byPlace = (a: ConfigMistake, b: ConfigMistake) =>
      (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)
    throw new ConfigFileError([...this.#found].sort(byPlace))
  }
}
