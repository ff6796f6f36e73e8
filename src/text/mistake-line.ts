/** Where a mistake of a file is, and what it is. Line and column count from 1, and are null where there is none. */
interface PlacedMistake {
  readonly file: string
  readonly line: number | null
  readonly column: number | null
  /** The part of the document; empty for all of it. */
  readonly path: string
  readonly message: string
}

/** Returns a mistake as compilers write it: `FILE:LINE:COLUMN path: message`. */
export function mistakeLine({ file, line, column, path, message }: PlacedMistake): string {
  const place = [file, line, column].filter((part) => part !== null).join(':')
  return `${place} ${path === '' ? message : `${path}: ${message}`}`
}
