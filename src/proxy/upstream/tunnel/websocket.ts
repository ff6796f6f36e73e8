import { randomBytes } from 'node:crypto'

/** Status code of a Close frame: "an endpoint is going away, such as a server going down" (RFC 6455 section 7.4.1). */
const STATUS_GOING_AWAY = 1001
const OPCODE_CLOSE = 8

/**
 * Follows the frames in one direction of a WebSocket (RFC 6455 section 5.2), to know when the gateway may insert a
 * frame: between two frames, and not after a Close frame.
 */
export class WebSocketFrames {
  #head: number[] = []
  /** Number of bytes of the current frame's payload that are still to come. */
  #left = 0
  #closing = false

  /** Reads the next bytes that were sent in this direction. */
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

  /** True if a frame may be inserted now. */
  get open(): boolean {
    return this.#left === 0 && this.#head.length === 0 && !this.#closing
  }

  #begin(): void {
    const [first = 0, second = 0, ...more] = this.#head
    const short = second & 0x7f
    const bytes = short === 126 ? more.slice(0, 2) : short === 127 ? more.slice(0, 8) : [short]
    this.#left = bytes.reduce((length, byte) => length * 256 + byte, 0)
    if ((first & 0x0f) === OPCODE_CLOSE) this.#closing = true
    this.#head = []
  }
}

/** Returns the length of a frame's head in bytes, which the head's second byte tells. */
function headLength([, second = 0]: number[]): number {
  const short = second & 0x7f
  return 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (second & 0x80 ? 4 : 0)
}

/**
 * Makes a Close frame with status 1001.
 * @param masked true if it goes to a server, because frames to a server are masked
 */
export function goingAway(masked: boolean): Buffer {
  const payload = Buffer.from([STATUS_GOING_AWAY >> 8, STATUS_GOING_AWAY & 0xff])
  if (!masked) return Buffer.concat([Buffer.from([0x80 | OPCODE_CLOSE, payload.length]), payload])
  const mask = randomBytes(4)
  const covered = payload.map((byte, i) => byte ^ (mask[i] as number))
  return Buffer.concat([Buffer.from([0x80 | OPCODE_CLOSE, 0x80 | payload.length]), mask, covered])
}
