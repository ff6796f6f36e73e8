import { readFileSync } from 'node:fs'
import { parse } from 'dotenv'

/** The error for a `.env` file that exists but cannot be read. The message is one line that says why. */
export class EnvFileError extends Error {}

/** The content of a `.env` file. */
export interface EnvFile {
  variables: Record<string, string>
  /** Line numbers, counted from 1, of the lines that are neither a variable nor a comment nor empty. */
  strayLines: number[]
}

/** The byte order mark with which a file in UTF-16 (little endian) begins. */
const UTF_16_MARK = Buffer.from([0xff, 0xfe])

/** Matches one valid line of a `.env` file: `NAME=value` or `NAME: value`, a comment, or an empty line. */
const lineFormat = /^\s*(#.*|(export\s+)?[\w.-]+(\s*=|:\s).*)?$/

/**
 * Reads the file `.env` in the current folder. If there is no such file, there are no variables.
 * @throws {EnvFileError}
 */
export function readEnvFile(): EnvFile {
  let content: Buffer
  try {
    content = readFileSync('.env')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { variables: {}, strayLines: [] }
    throw new EnvFileError(`.env cannot be read: ${(error as Error).message}`)
  }
  if (content.subarray(0, 2).equals(UTF_16_MARK))
    throw new EnvFileError('.env is UTF-16, as PowerShell writes it: it has to be UTF-8')
  const text = content.toString()
  const variables = parse(text)
  // The second and later lines of a quoted value look like stray lines, so lines that occur in such a value are not
  // reported.
  const longValues = Object.values(variables)
    .filter((value) => value.includes('\n'))
    .join('\n')
  const strayLines: number[] = []
  for (const [i, line] of text.split(/\r\n|\r|\n/).entries()) {
    const isInValue = longValues.includes(line.replace(/["'`]\s*$/, ''))
    if (!lineFormat.test(line) && !isInValue) strayLines.push(i + 1)
  }
  return { variables, strayLines }
}
