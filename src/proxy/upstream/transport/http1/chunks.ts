import { isSendableTrailer, type TrailerRule } from '../../../http/trailers.js'

/** Ends the data of each chunk. */
export const CHUNK_END = '\r\n'

/** Ends a body in chunks that has no trailers. */
const LAST_CHUNK = '0\r\n\r\n'

/**
 * Returns what comes before the data of a chunk (RFC 9112 section 7.1).
 * @param bytes length of the data; not 0, which would end the body
 */
export function chunkHead(bytes: number): string {
  return `${bytes.toString(16)}\r\n`
}

/**
 * Returns the end of a body in chunks: the last chunk, the trailers, and an empty line. It has to be written as latin1.
 * @param trailers names and values in turn; those that no message may have are left out, names are written in lower case
 * @param isDropped decides which further trailers are left out
 */
export function lastChunk(trailers: readonly string[], isDropped?: TrailerRule): string {
  if (trailers.length === 0) return LAST_CHUNK
  let end = '0\r\n'
  for (let i = 0; i < trailers.length; i += 2) {
    const name = (trailers[i] as string).toLowerCase()
    const value = trailers[i + 1] as string
    if (isSendableTrailer(name, [value], isDropped)) end += `${name}: ${value}\r\n`
  }
  return `${end}\r\n`
}
