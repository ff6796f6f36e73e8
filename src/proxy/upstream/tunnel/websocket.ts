import { randomBytes } from 'node:crypto'

/** "An endpoint is going away, such as a server going down", RFC 6455 section 7.4.1. */
const GOING_AWAY = 1001
const CLOSE = 8

/**
 * Follows one direction of a WebSocket (RFC 6455 section 5.2), to know when a frame may be put into it: between
 * two others, and not after the last.
 */
export class WebSocketFrames {
  #head: number[] = []
  /** Bytes of the payload yet to come. */
  #left = 0
  #closing = false

  /** Notes what was sent. */
  push(chunk: Buffer): void {
    for (let i = 0; i < chunk.length; ) {
      if (this.#left > 0) {
        const passed = Math.min(this.#left, chunk.length - i)
        this.#left -= passed
        i += passed
        continue
      }
      this.#head.push(chunk[i++] as number)
      if (this.#head.length >= 2 && this.#head.length === headLength(this.#head)) this.#begin()
    }
  }

  /** Whether the next frame would be read as one, and is allowed. */
  get open(): boolean {
    return this.#left === 0 && this.#head.length === 0 && !this.#closing
  }

  #begin(): void {
    const [first = 0, second = 0, ...more] = this.#head
    const short = second & 0x7f
    const bytes = short === 126 ? more.slice(0, 2) : short === 127 ? more.slice(0, 8) : [short]
    this.#left = bytes.reduce((length, byte) => length * 256 + byte, 0)
    if ((first & 0x0f) === CLOSE) this.#closing = true
    this.#head = []
  }
}

/** Bytes before the payload, as the first two say. */
function headLength([, second = 0]: number[]): number {
  const short = second & 0x7f
  return 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (second & 0x80 ? 4 : 0)
}

/** A Close frame with 1001. @param masked as everything is that goes to a server */
export function goingAway(masked: boolean): Buffer {
  const payload = Buffer.from([GOING_AWAY >> 8, GOING_AWAY & 0xff])
  if (!masked) return Buffer.concat([Buffer.from([0x80 | CLOSE, payload.length]), payload])
  const mask = randomBytes(4)
  const covered = payload.map((byte, i) => byte ^ (mask[i] as number))
  return Buffer.concat([Buffer.from([0x80 | CLOSE, 0x80 | payload.length]), mask, covered])
}
