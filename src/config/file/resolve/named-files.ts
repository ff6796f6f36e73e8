import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Mistakes, Path } from '../mistakes.js'

/** Largest file that is read, in bytes. */
const MAX_FILE_BYTES = 16 * 1024 * 1024

/** A file cannot be used. The message completes a sentence that begins with its name. */
export class FileUseError extends Error {}

/**
 * Reads a file of text in UTF-8. A byte order mark at its start is left out.
 * @throws {FileUseError}
 */
export function readText(path: string): string {
  let bytes: Buffer
  try {
    // Without O_NONBLOCK the opening of a pipe would wait for its writer.
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const status = fstatSync(descriptor)
      if (status.isDirectory()) throw new FileUseError('is a folder')
      if (!status.isFile()) throw new FileUseError('is not a regular file')
      if (status.size > MAX_FILE_BYTES) throw new FileUseError(`has more than ${MAX_FILE_BYTES} bytes`)
      bytes = readFileSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    if (error instanceof FileUseError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    const known = { ENOENT: 'does not exist', EACCES: 'may not be read', EISDIR: 'is a folder' }
    throw new FileUseError(known[code as keyof typeof known] ?? `cannot be read (${code ?? message})`)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new FileUseError('is not UTF-8')
  }
}

/** Reads the files that a gateway's file names, relative to the folder that it is in. */
export class NamedFiles {
  /** Absolute paths of all files that were named. */
  readonly paths = new Set<string>()
  readonly #folder: string
  readonly #mistakes: Mistakes
  readonly #texts = new Map<string, string | FileUseError>()

  constructor(file: string, mistakes: Mistakes) {
    this.#folder = dirname(resolve(file))
    this.#mistakes = mistakes
  }

  /** The absolute path of a file. */
  resolve(name: string): string {
    return resolve(this.#folder, name)
  }

  /** The text of a file that is not empty; undefined after a mistake. @param at where the file is named */
  read(name: string, at: Path): string | undefined {
    const path = this.resolve(name)
    this.paths.add(path)
    let text = this.#texts.get(path)
    if (text === undefined) {
      try {
        text = readText(path)
        if (text.trim() === '') text = new FileUseError('is empty')
      } catch (error) {
        if (!(error instanceof FileUseError)) throw error
        text = error
      }
      this.#texts.set(path, text)
    }
    if (typeof text === 'string') return text
    this.#mistakes.refuse(at, name, `the file ${text.message}`)
    return undefined
  }
}
