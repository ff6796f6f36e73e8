/** Remembers what the values that were looked up most recently mean: at least so many, and at most twice as many. */
export class RecentValues<T> {
  readonly #count: number
  #values = new Map<string, T>()
  /** Those that were looked up before the present ones, until these are enough. */
  #older = new Map<string, T>()

  constructor(count: number) {
    this.#count = count
  }

  get(value: string): T | undefined {
    const known = this.#values.get(value)
    if (known !== undefined) return known
    const older = this.#older.get(value)
    if (older !== undefined) this.set(value, older)
    return older
  }

  set(value: string, meaning: T): void {
    if (this.#values.size >= this.#count) {
      this.#older = this.#values
      this.#values = new Map()
    }
    this.#values.set(value, meaning)
  }
}
