import type { Logger } from 'pino'
import type { ConfigChange, ConfigMistake, ReloadOutcome, ReloadReport } from '../../admin/contract/config.js'
import { InvalidConfigError, NoConfigFileError } from '../../admin/errors.js'
import { type ConfigDifference, differences } from '../../config/file/differences.js'
import type { GatewayConfig } from '../../config/file/gateway-config.js'
import { ConfigFileError } from '../../config/file/mistakes.js'
import type { ReadFile } from '../../config/file/read-file.js'
import type { ConfigSource } from './config-source.js'
import { FileWatch } from './file-watch.js'

/** How many changes or mistakes a log line and an event have at most. */
const MAX_LISTED = 20

/** Loads the file of a gateway again: when it is asked to, and when the file or one that it names has changed. */
export class Reloads {
  readonly #source: ConfigSource
  readonly #apply: (config: GatewayConfig) => Promise<void>
  readonly #logger: Logger
  readonly #watch: FileWatch
  readonly #listeners = new Set<(outcome: ReloadOutcome) => void>()
  #config: GatewayConfig
  #file: ReadFile | undefined
  /** Absolute paths of the files that are watched: those of the last try, in which a mistake may be mended. */
  #watched: readonly string[]
  /** Resolves once it is known how the files were at the start. */
  readonly #seenAtStart: Promise<void>
  /** Lets reloads begin. */
  #open = () => {}
  /** The reload that runs, or ran last. None begins before the gateway listens. */
  #last: Promise<unknown> = new Promise<void>((resolve) => {
    this.#open = resolve
  })
  #isClosed = false

  /** @param apply brings a configuration into force, as a whole or not at all */
  constructor(source: ConfigSource, apply: (config: GatewayConfig) => Promise<void>, logger: Logger) {
    this.#source = source
    this.#apply = apply
    this.#logger = logger
    this.#config = source.config
    this.#file = source.file
    this.#watched = source.file?.files ?? []
    this.#watch = new FileWatch(
      () => this.#watched,
      () => void this.reload().catch(() => {}),
    )
    // A change while the gateway starts is noticed, too.
    this.#seenAtStart = this.#watch.seen()
  }

  /** The configuration in force. */
  get config(): GatewayConfig {
    return this.#config
  }

  /** The file in force, as it is written; undefined where there is none. */
  get document(): unknown {
    return this.#file?.document
  }

  /** Whether the gateway has a file. */
  get hasFile(): boolean {
    return this.#file !== undefined
  }

  /**
   * Begins to load the file again when that is asked for, and whenever it, or a file that it names, has changed. To be
   * called once the gateway listens.
   */
  async start(): Promise<void> {
    await this.#seenAtStart
    if (this.hasFile) this.#watch.start()
    this.#open()
  }

  /** Calls the listener after each reload, and after each that failed. @returns a function that ends the calls */
  onReload(listener: (outcome: ReloadOutcome) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Reads the file again, and brings it into force as a whole or not at all, after the reload that runs.
   * @throws {InvalidConfigError} with the mistakes for which the file is not taken
   * @throws {NoConfigFileError}
   */
  async reload(): Promise<ReloadReport> {
    if (!this.hasFile) throw new NoConfigFileError()
    const reload = this.#last.then(() => this.#load())
    this.#last = reload.catch(() => {})
    return reload
  }

  /** Loads nothing any more, and waits for the reload that runs. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#watch.stop()
    this.#open()
    await this.#last
  }

  async #load(): Promise<ReloadReport> {
    try {
      // What is read now need not be read again.
      await this.#watch.seen()
      if (this.#isClosed) throw new Error('the gateway is shutting down')
      const file = await this.#read()
      const changes = differences(this.#config, file.config)
      refuseFixed(changes, this.#config, file.config)
      if (changes.length > 0) await this.#apply(file.config)
      this.#config = file.config
      this.#file = file
      this.#tell(changes)
      return { changes: changes.map(changeOf) }
    } catch (error) {
      throw this.#refuse(error)
    }
  }

  /** @throws {ConfigFileError} */
  async #read(): Promise<ReadFile> {
    try {
      const file = this.#source.read()
      this.#watched = file.files
      return file
    } catch (error) {
      // A file that it names may be mended, or come yet.
      if (error instanceof ConfigFileError && error.files.length > 0) this.#watched = error.files
      throw error
    } finally {
      await this.#watch.follow()
    }
  }

  #tell(changes: ConfigDifference[]): void {
    const listed = changes.slice(0, MAX_LISTED)
    const changed = changes.length
    const text =
      changed === 0
        ? 'the configuration was read again: nothing has changed'
        : 'the configuration was loaded again'
    this.#logger.info({ event: 'reload', changed, changes: listed }, text)
    this.#announce({ changes: listed.map(changeOf), changed, mistakes: 0 })
  }

  #refuse(error: unknown): InvalidConfigError {
    const isOfFile = error instanceof ConfigFileError
    const mistakes: readonly ConfigMistake[] = isOfFile
      ? error.mistakes
      : [mistakeOf(this.#config.file ?? '', (error as Error).message)]
    const refused = new InvalidConfigError(mistakes)
    const line = { event: 'reload failed', mistakes: mistakes.slice(0, MAX_LISTED) }
    this.#logger.error({ ...line, ...(!isOfFile && { err: error }) }, refused.message)
    this.#announce({ changes: [], changed: 0, mistakes: mistakes.length })
    return refused
  }

  #announce(outcome: ReloadOutcome): void {
    for (const listener of this.#listeners) listener(outcome)
  }
}

/** Throws where a configuration changes what cannot be changed while the gateway runs. @throws {ConfigFileError} */
function refuseFixed(
  changes: readonly ConfigDifference[],
  before: GatewayConfig,
  after: GatewayConfig,
): void {
  const fixed = changes.filter(({ what, fields = [] }) => {
    const isToken = fields.join() === 'token' && hasToken(before) && hasToken(after)
    return what === 'setting' && !isToken
  })
  if (fixed.length === 0) return
  throw new ConfigFileError(
    fixed.map(({ name }) => ({
      ...mistakeOf(after.file ?? '', 'cannot be changed while the gateway runs: it takes a restart'),
      path: name,
    })),
  )
}

function hasToken({ admin }: GatewayConfig): boolean {
  return admin !== 'off' && admin.token !== ''
}

function mistakeOf(file: string, message: string): ConfigMistake {
  return { file, line: null, column: null, path: '', message }
}

function changeOf({ kind, what, name }: ConfigDifference): ConfigChange {
  return { kind, what, name }
}
