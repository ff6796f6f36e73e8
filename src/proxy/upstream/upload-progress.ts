/** The progress of sending a request's body to a backend. Times are monotonic milliseconds. */
export class UploadProgress {
  bytes = 0
  /** True if all of the body was sent, or if the backend takes no more of it. */
  isOver = false
  /** True if the backend has responded without taking all of the body. */
  isRefused = false
  /** True if the time limit of the body was reached once since the last bytes were sent. */
  isLate = false
  #lastAt: number

  constructor(now: number) {
    this.#lastAt = now
  }

  sent(bytes: number, now: number): void {
    this.bytes += bytes
    this.#lastAt = now
    this.isLate = false
  }

  /** Notes that the backend takes no more of the body. */
  refuse(): void {
    this.isOver = true
    this.isRefused = true
  }

  /** Returns the milliseconds since the last bytes were sent. */
  stalledFor(now: number): number {
    return now - this.#lastAt
  }
}
