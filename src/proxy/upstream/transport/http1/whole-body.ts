import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { MAX_COALESCED_BYTES } from '../../../http/coalescing.js'
import type { UpstreamRequest } from '../transport.js'
import { CHUNK_END, chunkHead, lastChunk } from './chunks.js'
import type { BodyFraming } from './request-head.js'

/** Bytes of a body in memory that are handed to the socket at a time, so that a slow backend is noticed. */
const PART_BYTES = 64 * 1024

const NO_BYTES = Buffer.alloc(0)

/**
 * Returns the body of a request if it is in memory: it was read before, or it is small, has come completely and has the
 * length that was announced. Its bytes are kept with the request, because its connection may turn out to be closed.
 */
export function wholeBodyOf(request: UpstreamRequest, framing: BodyFraming): Buffer | undefined {
  const { body, source, wholeBody } = request
  if (wholeBody) return wholeBody
  // A stream that a hook of the app made does not say whether it has come completely.
  if (source || (body as IncomingMessage | undefined)?.complete !== true) return undefined
  const incoming = body as IncomingMessage
  const length = incoming.readableLength
  if (length > MAX_COALESCED_BYTES || (framing !== 'chunked' && framing !== length)) return undefined
  const bytes = incoming.read() as Buffer | null
  // A body without bytes is read to its end in this way.
  if (bytes === null) incoming.resume()
  request.wholeBody = bytes ?? NO_BYTES
  return request.wholeBody
}

/** Returns a small body with its framing and its trailers, as text with one character for each byte. */
export function framedText(bytes: Buffer, request: UpstreamRequest, framing: BodyFraming): string {
  const text = bytes.toString('latin1')
  if (framing !== 'chunked') return text
  const { rawTrailers = [] } = request.body as IncomingMessage
  const end = lastChunk(rawTrailers, request.isTrailerDropped)
  return text === '' ? end : chunkHead(text.length) + text + CHUNK_END + end
}

/** Returns a body in memory as a stream. */
export function streamOf(bytes: Buffer): Readable {
  return Readable.from(parts(bytes), { objectMode: false })
}

function* parts(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += PART_BYTES) yield bytes.subarray(at, at + PART_BYTES)
}
