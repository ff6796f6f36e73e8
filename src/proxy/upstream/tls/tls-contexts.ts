import { stat } from 'node:fs/promises'
import type { SecureContext } from 'node:tls'
import type { Clock } from '../../../balancer/time/clock.js'
import { type LoadedFiles, loadFiles, stateOf, type TlsFileError, type TlsFiles } from './pem-files.js'

/** Milliseconds between two looks at the files. */
const LOOK_INTERVAL_MS = 2000
/** Milliseconds after which changed files are looked at again, as certificate and key are not written at once. */
const SETTLE_MS = 250

/** What became of files that have changed on disk. */
export interface FileChange {
  files: TlsFiles
  /** The reason why the new files cannot be used, so that the last good ones stay in use; undefined if they can. */
  error: TlsFileError | undefined
}

/** The last good content of a set of files, as a context for connections. */
export class TlsContext {
  readonly files: TlsFiles
  /** @internal */
  loaded: LoadedFiles
  /** @internal The state of the files at the last look; it may differ from that of the loaded files. */
  seen: string
  /** @internal The state of the files that were tried last, with or without success. */
  tried: string
  /** @internal True if the files that were tried last cannot be used. */
  hasFailed = false

  constructor(files: TlsFiles, loaded: LoadedFiles) {
    this.files = files
    this.loaded = loaded
    this.seen = loaded.state
    this.tried = loaded.state
  }

  get secureContext(): SecureContext {
    return this.loaded.secureContext
  }
}

/**
 * Contexts for TLS connections, one for each set of files. Files are read when they are named for the first time, and
 * again whenever they have changed on disk; files that cannot be used then leave the last good ones in use. There is a
 * timer only while there is a context.
 */
export class TlsContexts {
  readonly #clock: Clock
  readonly #used: () => ReadonlySet<TlsContext | undefined>
  readonly #onChange: (change: FileChange) => void
  readonly #contexts = new Map<string, TlsContext>()
  #cancelLook: (() => void) | undefined
  #closed = false

  /**
   * @param used returns the contexts that are in use; the files of others are not looked at again
   * @param onChange called when changed files were taken, and when they could not be taken; must not throw
   */
  constructor(
    clock: Clock,
    used: () => ReadonlySet<TlsContext | undefined>,
    onChange: (change: FileChange) => void,
  ) {
    this.#clock = clock
    this.#used = used
    this.#onChange = onChange
  }

  /** Returns the context of files that were loaded before. */
  find(files: TlsFiles): TlsContext | undefined {
    return this.#contexts.get(keyOf(files))
  }

  /** Reads files now, also where they were loaded before. @throws {TlsFileError} */
  load(files: TlsFiles): TlsContext {
    const loaded = loadFiles(files)
    const known = this.find(files)
    if (known) {
      this.#take(known, loaded)
      return known
    }
    const context = new TlsContext(files, loaded)
    this.#contexts.set(keyOf(files), context)
    if (!this.#cancelLook) this.#lookAfter(LOOK_INTERVAL_MS)
    return context
  }

  close(): void {
    this.#closed = true
    this.#cancelLook?.()
    this.#contexts.clear()
  }

  #lookAfter(delay: number): void {
    this.#cancelLook = this.#clock.after(delay, () => this.#look())
  }

  async #look(): Promise<void> {
    let isChanging = false
    const used = this.#used()
    // Contexts may be added during the look.
    for (const [key, context] of [...this.#contexts]) {
      if (used.has(context)) isChanging = (await this.#lookAt(context)) || isChanging
      else this.#contexts.delete(key)
    }
    if (this.#closed) return
    this.#cancelLook = undefined
    if (this.#contexts.size > 0) this.#lookAfter(isChanging ? SETTLE_MS : LOOK_INTERVAL_MS)
  }

  /** Takes changed files once they are the same in two looks. Returns true if they have changed since the last look. */
  async #lookAt(context: TlsContext): Promise<boolean> {
    const { ca, cert, key } = context.files
    const state = [await fileState(ca), await fileState(cert), await fileState(key)].join()
    if (this.#closed) return false
    const isStable = state === context.seen
    context.seen = state
    if (state === context.tried) return false
    if (!isStable) return true
    context.tried = state
    try {
      this.#take(context, loadFiles(context.files))
    } catch (error) {
      context.hasFailed = true
      this.#onChange({ files: context.files, error: error as TlsFileError })
    }
    return false
  }

  #take(context: TlsContext, loaded: LoadedFiles): void {
    const isNew = !loaded.content.equals(context.loaded.content)
    const isNews = isNew || context.hasFailed
    context.hasFailed = false
    context.seen = loaded.state
    context.tried = loaded.state
    // Connections resume their TLS sessions for as long as they have the same context.
    if (isNew) context.loaded = loaded
    if (isNews) this.#onChange({ files: context.files, error: undefined })
  }
}

function keyOf({ ca, cert, key }: TlsFiles): string {
  return [ca, cert, key].join('\0')
}

async function fileState(path: string): Promise<string> {
  if (path === '') return ''
  try {
    return stateOf(await stat(path))
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown'
  }
}
