/** The progress of sending a request's body to a backend. Times are monotonic milliseconds. */
export class UploadProgress {
  bytes = 0
  /** Whether all of the body was sent, or the backend takes no more of it. */
  isOver = false
  /** The backend has responded without taking all of the body. */
  isRefused = false
  /** The body's time limit was reached once since the last bytes were sent. */
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

  /** The backend takes no more of the body. */
  refuse(): void {
    this.isOver = true
    this.isRefused = true
  }

  /** Milliseconds since the last bytes were sent. */
  stalledFor(now: number): number {
    return now - this.#lastAt
  }
}
