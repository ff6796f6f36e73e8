import { readFileSync } from 'node:fs'
import { parse } from 'dotenv'

/** A file `.env` exists and cannot be read. The message is one line that says why. */
export class EnvFileError extends Error {}

/** The content of a file `.env`. */
export interface EnvFile {
  variables: Record<string, string>
  /** Numbers, from 1, of the lines that are neither a variable nor a comment nor empty. */
  strayLines: number[]
}

/** The byte order mark at the start of a file in UTF-16 (little endian). */
const UTF_16_MARK = Buffer.from([0xff, 0xfe])

/** Matches a line of the file: `NAME=value` or `NAME: value`, a comment, or an empty line. */
const lineFormat = /^\s*(#.*|(export\s+)?[\w.-]+(\s*=|:\s).*)?$/

/** Reads `.env` in the current folder; without the file there are no variables. @throws {EnvFileError} */
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
  // The later lines of a quoted value look like stray lines.
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
