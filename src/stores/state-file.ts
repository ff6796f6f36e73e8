import { createHash, randomBytes } from 'node:crypto'
import { lstat, readFile, realpath, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { BackendStore, PoolState, StoredState } from '../balancer/state/store.js'
import { parseJson } from '../text/json-fault.js'
import { removeLeftovers, replaceFile } from './atomic-write.js'

/** Limit of the file's size. A thousand backends take a third of a megabyte. */
const MAX_FILE_BYTES = 64 * 1024 * 1024

/** Paths of the files that pools of this process have open. */
const openPaths = new Set<string>()

/**
 * Keeps the state of one pool in a file, as JSON. Each save replaces the file as a whole, and the file is on disk when
 * the save resolves. A missing file is created. A file that cannot be understood is left alone, and so is a file that
 * another program has written since it was loaded: of two gateways on one file, the one that was started last owns it.
 * @param path path of the file; its folder has to exist
 * @param label the name of the file in messages
 */
export function stateFile(path: string, label = 'the state file'): BackendStore {
  return new StateFile(resolve(path), label)
}

class StateFile implements BackendStore {
  readonly name: string
  /** The path without symbolic links, so that a save does not replace a link to the file. */
  #path: string
  /** Revision of the content that was read or written last. */
  #revision: string | undefined
  /** Revision of the content of the last save, which may have been written even where the save failed. */
  #triedRevision: string | undefined
  #isOpen = false
  /** A random value in the file, which makes the content differ from what any other process writes. */
  readonly #writer = randomBytes(8).toString('hex')

  constructor(path: string, label: string) {
    this.name = `${label} ${JSON.stringify(path)}`
    this.#path = path
  }

  async load(): Promise<StoredState | undefined> {
    this.#path = await resolveLinks(this.#path)
    if (openPaths.has(this.#path)) throw new Error('another pool of this process uses it')
    this.#isOpen = true
    openPaths.add(this.#path)
    const content = await read(this.#path)
    const loaded = content && { state: parse(content), revision: revisionOf(content) }
    this.#revision = loaded?.revision
    await removeLeftovers(this.#path).catch((error) => {
      throw withoutPath(error)
    })
    return loaded
  }

  async save(state: PoolState, expectedRevision = this.#revision): Promise<string> {
    const content = Buffer.from(`${JSON.stringify({ writer: this.#writer, ...state }, null, 1)}\n`)
    const now = await read(this.#path)
    const found = now && revisionOf(now)
    // Foreign content is not merged: two gateways on one file are a mistake, and the next save would undo an edit by
    // hand.
    if (found !== undefined && found !== expectedRevision && found !== this.#triedRevision) {
      throw new Error('something else has written it, and it is left alone until the next start')
    }
    const revision = revisionOf(content)
    this.#triedRevision = revision
    await replaceFile(this.#path, content).catch((error) => {
      throw withoutPath(error)
    })
    this.#revision = revision
    return revision
  }

  async close(): Promise<void> {
    if (this.#isOpen) openPaths.delete(this.#path)
    this.#isOpen = false
  }
}

/** The revision of a content. Contents have the same revision where all their bytes are the same. */
function revisionOf(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}

async function resolveLinks(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw withoutPath(error)
    if (await lstat(path).catch(() => undefined)) throw new Error('it is a symbolic link that leads nowhere')
    return path
  }
}

async function read(path: string): Promise<Buffer | undefined> {
  try {
    // Opening a pipe would wait for a process at its other end.
    const found = await stat(path)
    if (found.isDirectory()) throw new Error('it is a folder')
    if (!found.isFile()) throw new Error('it is a device, a pipe or a socket')
    if (found.size > MAX_FILE_BYTES) throw new Error(`it is larger than ${MAX_FILE_BYTES} bytes`)
    return await readFile(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw withoutPath(error)
  }
}

/** Reads the file as JSON. The pool checks the content. */
function parse(content: Buffer): PoolState {
  if (content.length === 0) throw new Error('it is empty; without it the start is as on the first day')
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(content)
  } catch {
    throw new Error('it is not UTF-8')
  }
  let value: unknown
  try {
    value = parseJson(text)
  } catch (error) {
    throw new Error(`it is not JSON: ${(error as Error).message}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value as PoolState
  const { writer: _, ...state } = value as PoolState & { writer?: unknown }
  return state
}

/** An error of the file system without system call and path, because the store's name already contains the path. */
function withoutPath(error: unknown): Error {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return new Error('ENOENT: its folder is not there')
  return code === undefined ? (error as Error) : new Error(message.split(', ', 1)[0])
}
