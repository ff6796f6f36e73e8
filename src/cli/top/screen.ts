const ENTER = '\x1b[?1049h\x1b[?25l'
const LEAVE = '\x1b[?25h\x1b[?1049l'
const HOME = '\x1b[H'
/**
 * Clears the line before new text is written to it. If the text is as wide as the screen, clearing after it would
 * delete its last character.
 */
const CLEAR_LINE = '\x1b[2K'
const CLEAR_BELOW = '\r\n\x1b[J'

const CTRL_C = '\x03'
const CTRL_Z = '\x1a'

export interface ScreenOptions {
  /** Called for each key except those that suspend or end the command. */
  onKey(key: string): void
  /**
   * Called when the screen has to be drawn again, because its size changed or the command returned to the foreground.
   */
  onStale(): void
  /** Called when the user presses `q` or Ctrl-C. */
  onQuit(): void
}

/**
 * An alternate screen of the terminal. The previous content returns when the command leaves the screen, for any reason.
 */
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
    // The new content overwrites the old content in one write, because the screen would flicker if it were cleared
    // first.
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
    // The shell may have changed the terminal's mode without Node's knowledge, so raw mode is turned off and on again.
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
        // This callback runs once the command is in the foreground again. In a container, for example, no shell can
        // stop the command, and the callback runs at once.
        setImmediate(this.#enter)
      } else this.#options.onKey(key)
    }
  }
}
