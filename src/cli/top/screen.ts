const ENTER = '\x1b[?1049h\x1b[?25l'
const LEAVE = '\x1b[?25h\x1b[?1049l'
const HOME = '\x1b[H'
/** Before what is written: after a line as long as the screen is wide it would take the last letter. */
const CLEAR_LINE = '\x1b[2K'
const CLEAR_BELOW = '\r\n\x1b[J'

const CTRL_C = '\x03'
const CTRL_Z = '\x1a'

export interface ScreenOptions {
  /** A key other than those that suspend or end. */
  onKey(key: string): void
  /** What is to be seen has to be drawn again: the size changed, or we are in the foreground again. */
  onStale(): void
  /** `q` or Ctrl-C. */
  onQuit(): void
}

/** A screen of our own on the terminal; what was there before is back once it is left, however that happens. */
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
    // In one write, over what is there: a screen that is cleared first would flicker.
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
    // A shell may have changed it meanwhile, without Node's knowledge.
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
        // In the foreground again, or where there is no shell to stop us, as in a container, at once.
        setImmediate(this.#enter)
      } else this.#options.onKey(key)
    }
  }
}
