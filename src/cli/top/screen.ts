const ENTER = '\x1b[?1049h\x1b[?25l'
const LEAVE = '\x1b[?25h\x1b[?1049l'
const HOME = '\x1b[H'
/**
 * Clears the line before it is written: after a line as wide as the screen, clearing would delete its last character.
 */
const CLEAR_LINE = '\x1b[2K'
const CLEAR_BELOW = '\r\n\x1b[J'

const CTRL_C = '\x03'
const CTRL_Z = '\x1a'

export interface ScreenOptions {
  /** Called for each key except the keys that suspend or end. */
  onKey(key: string): void
  /** Called when the screen has to be drawn again: its size changed, or the command is in the foreground again. */
  onStale(): void
  /** Called for `q` and Ctrl-C. */
  onQuit(): void
}

/** An alternate screen of the terminal. The previous content is restored when it is left, however that happens. */
export class Screen {
  readonly #options: ScreenOptions
  #entered = false

  constructor(options: ScreenOptions) {
    this.#options = options
  }

  get width(): number {
    return process.stdout.columns || 80
  }

  get height(): number {
    return process.stdout.rows || 24
  }

  open(): void {
    process.on('exit', this.#leave)
    process.on('SIGCONT', this.#enter)
    process.stdout.on('resize', this.#options.onStale)
    if (process.stdin.isTTY) process.stdin.on('data', this.#keys).resume()
    this.#enter()
  }

  draw(lines: string[]): void {
    if (!this.#entered) return
    const seen = lines.slice(0, this.height).map((line) => CLEAR_LINE + line)
    // The content is written over the old one in one write, because clearing the screen first would flicker.
    process.stdout.write(HOME + seen.join('\r\n') + (seen.length < this.height ? CLEAR_BELOW : ''))
  }

  close(): void {
    this.#leave()
    process.stdin.off('data', this.#keys).pause()
    process.stdout.off('resize', this.#options.onStale)
    process.off('SIGCONT', this.#enter)
    process.off('exit', this.#leave)
  }

  readonly #enter = () => {
    // A shell may have changed the mode meanwhile without Node's knowledge.
    if (process.stdin.isTTY) process.stdin.setRawMode(false).setRawMode(true)
    if (!this.#entered) process.stdout.write(ENTER)
    this.#entered = true
    this.#options.onStale()
  }

  readonly #leave = () => {
    if (!this.#entered) return
    this.#entered = false
    if (process.stdin.isTTY) process.stdin.setRawMode(false)
    process.stdout.write(LEAVE)
  }

  readonly #keys = (chunk: Buffer) => {
    for (const key of chunk.toString('latin1')) {
      if (key === 'q' || key === CTRL_C) return this.#options.onQuit()
      if (key === CTRL_Z) {
        this.#leave()
        process.kill(process.pid, 'SIGTSTP')
        // This runs once the command is in the foreground again, or at once where no shell can stop it, as in a
        // container.
        setImmediate(this.#enter)
      } else this.#options.onKey(key)
    }
  }
}
