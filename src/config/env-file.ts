import { readFileSync } from 'node:fs'
import { parse } from 'dotenv'

/** There is a `.env`, and it cannot be read; the message is one line that says why. */
export class EnvFileError extends Error {}

/** What is in a `.env`. */
export interface EnvFile {
  variables: Record<string, string>
  /** Numbers of the lines that are no variable, no comment and not empty. */
  stray: number[]
}

/** `NAME=value` or `NAME: value`, or a comment, or nothing. */
const understood = /^\s*(#.*|(export\s+)?[\w.-]+(\s*=|:\s).*)?$/

/** `.env` in this folder, if there is one. @throws {EnvFileError} */
export function readEnvFile(): EnvFile {
  let content: Buffer
  try {
    content = readFileSync('.env')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { variables: {}, stray: [] }
    throw new EnvFileError(`.env cannot be read: ${(error as Error).message}`)
  }
  if (content[0] === 0xff && content[1] === 0xfe)
    throw new EnvFileError('.env is UTF-16, as PowerShell writes it: it has to be UTF-8')
  const text = content.toString()
  const variables = parse(text)
  // A value in quotes may have more lines than one.
  const within = Object.values(variables)
    .filter((value) => value.includes('\n'))
    .join('\n')
  const stray = text
    .split(/\r\n|\r|\n/)
    .map((line, i) => (understood.test(line) || within.includes(line.replace(/["'`]\s*$/, '')) ? 0 : i + 1))
    .filter((number) => number > 0)
  return { variables, stray }
}
