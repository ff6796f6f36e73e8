import { realpath, stat } from 'node:fs/promises'
import { type Clock, systemClock } from '../../balancer/time/clock.js'

/** Interval in which the files are looked at. */
const LOOK_INTERVAL_MS = 1000

/**
 * Watches files by looking at them: events of the system do not tell of every change behind a link into a folder that
 * is swapped, as Kubernetes swaps that of a ConfigMap, nor of changes on some file systems.
 */
export class FileWatch {
  readonly #files: () => readonly string[]
  readonly #onChange: () => void
  readonly #clock: Clock
  /** How the files were when they were read last, or when a change was told; by path. */
  #known = new Map<string, string>()
  /** How the files were at the last look. */
  #seen = ''
  #cancel = () => {}
  #isStopped = false

  /**
   * @param files returns the paths of the files, as the same list while they are the same files
   * @param onChange called when the files are others, and have been the same for two looks: they may be written in parts
   */
  constructor(files: () => readonly string[], onChange: () => void, clock: Clock = systemClock) {
    this.#files = files
    this.#onChange = onChange
    this.#clock = clock
  }

  /** Begins to watch. */
  start(): void {
    if (!this.#isStopped) this.#cancel = this.#clock.after(LOOK_INTERVAL_MS, () => this.#look())
  }

  /** Takes the files as they are now for known, because somebody is about to read them. */
  async seen(): Promise<void> {
    this.#know(await statesOf(this.#files()))
  }

  /** Takes the files that are watched from now on for known, because somebody has just read them. */
  async follow(): Promise<void> {
    const files = this.#files()
    const added = await statesOf(files.filter((file) => !this.#known.has(file)))
    this.#know(new Map(files.map((file) => [file, this.#known.get(file) ?? added.get(file) ?? ''])))
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel()
  }

  #know(states: Map<string, string>): void {
    this.#known = states
    this.#seen = textOf(states)
  }

  async #look(): Promise<void> {
    const files = this.#files()
    const now = await statesOf(files)
    // Other files may be watched by now.
    if (files === this.#files()) {
      const isSettled = textOf(now) === this.#seen
      this.#seen = textOf(now)
      if (isSettled && this.#seen !== textOf(this.#known) && !this.#isStopped) {
        this.#known = now
        this.#onChange()
      }
    }
    this.start()
  }
}

function textOf(states: Map<string, string>): string {
  return [...states.values()].join('\n')
}

/** For each file a text that is another one when the file is: another link, another file behind it, or other contents. */
async function statesOf(files: readonly string[]): Promise<Map<string, string>> {
  const states = files.map(async (file): Promise<[string, string]> => {
    try {
      const [path, { dev, ino, size, mtimeMs, ctimeMs }] = await Promise.all([realpath(file), stat(file)])
      return [file, [path, dev, ino, size, mtimeMs, ctimeMs].join(' ')]
    } catch (error) {
      return [file, String((error as NodeJS.ErrnoException).code)]
    }
  })
  return new Map(await Promise.all(states))
}
