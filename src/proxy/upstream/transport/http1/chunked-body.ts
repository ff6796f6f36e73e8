import { bareLineEnd, MalformedResponseError } from './malformed-response-error.js'
import { CR, DEL, HTAB, LF, SEMICOLON, SP } from './octets.js'

/** Largest length of the line before a chunk's data, in bytes. Only extensions make it long, and nobody reads them. */
export const MAX_CHUNK_LINE_BYTES = 16_384

/** The value of each hexadecimal digit; -1 for other bytes. */
const HEX = new Int8Array(256).fill(-1)
for (let value = 0; value < 16; value++) {
  const digit = value.toString(16)
  HEX[digit.charCodeAt(0)] = value
  HEX[digit.toUpperCase().charCodeAt(0)] = value
}

type Place = 'size' | 'extension' | 'size end' | 'data end' | 'data line end'

/** Reads what stands between the data of chunks (RFC 9112 section 7.1). */
export class ChunkedBody {
  /** Number of bytes of data that come next. */
  remaining = 0
  /** True if the last chunk has come, behind which there are only trailers. */
  isComplete = false
  #place: Place = 'size'
  #size = 0
  /** Number of bytes that were read of the line before the data. */
  #length = 0

  begin(): void {
    this.remaining = 0
    this.isComplete = false
    this.#place = 'size'
    this.#size = 0
    this.#length = 0
  }

  /**
   * Reads bytes until data comes or the last chunk has come.
   * @returns where reading has ended
   * @throws {MalformedResponseError}
   */
  read(bytes: Buffer, from: number): number {
    let at = from
    while (at < bytes.length && this.remaining === 0 && !this.isComplete) this.#next(bytes[at++] as number)
    return at
  }

  #next(byte: number): void {
    switch (this.#place) {
      case 'size':
        this.#readSize(byte)
        break
      case 'extension':
        this.#readExtension(byte)
        break
      case 'size end':
        this.#endSize(byte)
        break
      case 'data end':
        if (byte !== CR) throw faultAfterData(byte)
        this.#place = 'data line end'
        break
      case 'data line end':
        if (byte !== LF) throw bareLineEnd(false, "a chunk's data")
        this.#place = 'size'
    }
  }

  #readSize(byte: number): void {
    const digit = HEX[byte] as number
    if (digit !== -1) {
      this.#count()
      this.#size = this.#size * 16 + digit
      // Larger numbers are not exact any more.
      if (this.#size > Number.MAX_SAFE_INTEGER) throw invalidSize('Chunk size overflow')
    } else if (this.#length === 0) {
      throw invalidSize('Invalid character in chunk size')
    } else if (byte === CR) {
      this.#place = 'size end'
    } else if (byte === SEMICOLON) {
      this.#place = 'extension'
    } else {
      throw byte === LF ? bareLineEnd(true, "a chunk's size") : invalidSize('Invalid character in chunk size')
    }
  }

  #readExtension(byte: number): void {
    this.#count()
    if (byte === CR) this.#place = 'size end'
    else if (byte === LF) throw bareLineEnd(true, "a chunk's extensions")
    else if ((byte < SP && byte !== HTAB) || byte === DEL) {
      throw new MalformedResponseError('HPE_STRICT', 'Invalid character in chunk extensions')
    }
  }

  #endSize(byte: number): void {
    if (byte !== LF) throw bareLineEnd(false, "a chunk's size")
    this.remaining = this.#size
    this.isComplete = this.#size === 0
    this.#size = 0
    this.#length = 0
    this.#place = 'data end'
  }

  #count(): void {
    if (++this.#length > MAX_CHUNK_LINE_BYTES) {
      throw new MalformedResponseError('HPE_CHUNK_EXTENSIONS_OVERFLOW', 'Chunk extensions overflow')
    }
  }
}

function faultAfterData(byte: number): MalformedResponseError {
  if (byte === LF) return bareLineEnd(true, "a chunk's data")
  return new MalformedResponseError('HPE_INVALID_CHUNK_SIZE', 'a chunk is longer than its size')
}

function invalidSize(reason: string): MalformedResponseError {
  return new MalformedResponseError('HPE_INVALID_CHUNK_SIZE', reason)
}
