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
  /** How the files were when a change was told last. */
  #known: string | undefined
  /** How the files were at the last look. */
  #seen: string | undefined
  #cancel = () => {}
  #isStopped = false

  /**
   * @param files returns the paths of the files
   * @param onChange called when the files are others, and have been the same for two looks: they may be written in parts
   */
  constructor(files: () => readonly string[], onChange: () => void, clock: Clock = systemClock) {
    this.#files = files
    this.#onChange = onChange
    this.#clock = clock
  }

  /** Begins to watch. What the files are now is no change. */
  async start(): Promise<void> {
    await this.seen()
    this.#wait()
  }

  /** Takes the files as they are now for known, because somebody has read them. */
  async seen(): Promise<void> {
    this.#known = await stateOf(this.#files())
    this.#seen = this.#known
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel()
  }

  #wait(): void {
    if (!this.#isStopped) this.#cancel = this.#clock.after(LOOK_INTERVAL_MS, () => this.#look())
  }

  async #look(): Promise<void> {
    const now = await stateOf(this.#files())
    const isSettled = now === this.#seen
    this.#seen = now
    if (isSettled && now !== this.#known && !this.#isStopped) {
      this.#known = now
      this.#onChange()
    }
    this.#wait()
  }
}

/** Text that is another one when a file is: another link, another file behind it, or other contents. */
async function stateOf(files: readonly string[]): Promise<string> {
  const states = await Promise.all(
    files.map(async (file) => {
      try {
        const [path, { dev, ino, size, mtimeMs, ctimeMs }] = await Promise.all([realpath(file), stat(file)])
        return [path, dev, ino, size, mtimeMs, ctimeMs].join(' ')
      } catch (error) {
        return String((error as NodeJS.ErrnoException).code)
      }
    }),
  )
  return states.join('\n')
}
