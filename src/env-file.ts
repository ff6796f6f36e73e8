import { readFileSync } from 'node:fs'
import { parse } from 'dotenv'

/** There is a `.env`, and it cannot be read; the message is one line that says why. */
export class EnvFileError extends Error {}

/** Variables from `.env` in this folder, if there is one. @throws {EnvFileError} */
export function readEnvFile(): Record<string, string> {
  try {
    return parse(readFileSync('.env'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new EnvFileError(`.env cannot be read: ${(error as Error).message}`)
  }
}
