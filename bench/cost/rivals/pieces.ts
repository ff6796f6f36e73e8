import { Readable } from 'node:stream'
import { ANSWER_BYTES, CHUNK_BYTES } from '../kinds.js'

const piece = Buffer.alloc(CHUNK_BYTES, 'x')

export const small = 'x'.repeat(ANSWER_BYTES.small)
export const large = Buffer.alloc(ANSWER_BYTES.large, 'x')

/** The long answer as an app has it that makes it as it goes. */
export function pieces(): Readable {
  let left = ANSWER_BYTES.stream / CHUNK_BYTES
  return new Readable({
    highWaterMark: CHUNK_BYTES,
    read() {
      this.push(left-- > 0 ? piece : null)
    },
  })
}

/** What a path asks for. */
export function answerTo(path: string): string | Buffer | Readable {
  if (path.endsWith('=large')) return large
  return path.endsWith('=stream') ? pieces() : small
}
