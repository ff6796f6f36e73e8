import { pipeline, type Readable, type Transform } from 'node:stream'
import {
  type BrotliOptions,
  brotliCompressSync,
  constants,
  createBrotliCompress,
  createGzip,
  gzipSync,
} from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Headers } from '../../http/fields.js'
import { withMember } from '../../http/header-changes.js'
import { type ArrivingBody, type UpstreamResponse, WholeBody } from '../../http/response.js'
import { isEventStreamType } from '../../upstream/response-check.js'
import { acceptedCoding, type Coding } from './accepted-coding.js'

/** The length of a body from which on compressing it saves more than it costs. */
const MIN_LENGTH_BYTES = 1024

/** Media types whose bodies are text, or as good to compress as text. */
const COMPRESSIBLE =
  /^(?:text\/.*|application\/(?:json|javascript|ecmascript|xml|xhtml\+xml|wasm|manifest\+json|rtf|toml|yaml|x-yaml|x-javascript|graphql|sql|vnd\.ms-fontobject)|image\/(?:svg\+xml|bmp|x-icon|vnd\.microsoft\.icon)|font\/(?:ttf|otf|collection)|.*\+(?:json|xml|text|yaml))$/

/** A body up to this size that is there as a whole is compressed at once, which takes less than a stream. */
const MAX_AT_ONCE_BYTES = 16 * 1024

/** The default quality of 11 takes a hundred times as long. */
const QUALITY = 4
const BROTLI: BrotliOptions = {
  flush: constants.BROTLI_OPERATION_FLUSH,
  // A window of 512 KB for each response that is under way.
  params: { [constants.BROTLI_PARAM_QUALITY]: QUALITY, [constants.BROTLI_PARAM_LGWIN]: 19 },
}
const SMALL_BROTLI: BrotliOptions = {
  params: { [constants.BROTLI_PARAM_QUALITY]: QUALITY, [constants.BROTLI_PARAM_LGWIN]: 14 },
}

/** Fields with a checksum of the body as the backend sent it; RFC 9530, and the older fields. */
const DIGESTS = ['content-digest', 'repr-digest', 'digest', 'content-md5']

/**
 * Compresses the body of a response, where the client takes that, it is allowed, and it saves something.
 *
 * @fastify/compress is not used, because it takes a text that begins with `80`, `hb` or `x ` for one that is compressed
 * already, and sends it as it is under `Content-Encoding: gzip`.
 * @param headers the fields of the response, changed in place
 * @returns the body to send; the given one where it stays as it is
 */
export function compressed(
  reply: FastifyReply,
  headers: Headers,
  body: UpstreamResponse['body'],
): UpstreamResponse['body'] {
  const { request } = reply
  if (reply.statusCode === 304) {
    sayWhatCompressedSaid(reply, headers)
    return body
  }
  if (!isCompressible(request, reply.statusCode, headers, body)) return body
  varyByEncoding(reply, headers)
  const coding = acceptedCoding(request.headers['accept-encoding'])
  if (coding === undefined) return body
  headers['content-encoding'] = coding
  // Positions in the body of the backend are none in this one.
  delete headers['accept-ranges']
  delete headers['content-length']
  // A strong entity tag says that two bodies are the same byte for byte, RFC 9110 section 8.8.1.
  const { etag } = headers
  if (typeof etag === 'string' && etag.startsWith('"')) headers.etag = `W/${etag}`
  if (body instanceof WholeBody && body.bytes.length <= MAX_AT_ONCE_BYTES) {
    const { bytes } = body
    return new WholeBody(coding === 'gzip' ? gzipSync(bytes) : brotliCompressSync(bytes, SMALL_BROTLI))
  }
  return new CompressedBody(body.stream(), coding)
}

/** A cache must not give one client what another one takes. */
function varyByEncoding(reply: FastifyReply, headers: Headers): void {
  const vary = headers.vary ?? (reply.getHeader('vary') as string | string[] | undefined) ?? ''
  headers.vary = withMember(vary, 'Accept-Encoding')
}

/**
 * Gives a 304 the fields of the 200 that the client has, RFC 9110 section 15.4.5. A cache that has `W/"a"` takes no 304
 * with `"a"` for an answer about it, RFC 9111 section 4.3.4.
 */
function sayWhatCompressedSaid(reply: FastifyReply, headers: Headers): void {
  varyByEncoding(reply, headers)
  const { etag } = headers
  if (typeof etag !== 'string' || !etag.startsWith('"')) return
  if (reply.request.headers['if-none-match']?.includes(`W/${etag}`)) headers.etag = `W/${etag}`
}

/** A body that is compressed while it arrives. */
class CompressedBody implements ArrivingBody {
  readonly #compressor: Transform

  constructor(source: Readable, coding: Coding) {
    // Each part leaves as it comes: a page that a backend sends in parts is shown in parts.
    this.#compressor =
      coding === 'gzip' ? createGzip({ flush: constants.Z_SYNC_FLUSH }) : createBrotliCompress(BROTLI)
    // If either of the two fails or is destroyed, so is the other, and Fastify cuts the response.
    pipeline(source, this.#compressor, () => {})
  }

  stream(): Readable {
    return this.#compressor
  }

  piped(): Readable {
    return this.#compressor
  }

  destroy(): void {
    this.#compressor.destroy()
  }
}

/** Whether a response may be compressed, and is worth it, for any client. */
function isCompressible(
  { raw, headers: asked }: FastifyRequest,
  statusCode: number,
  headers: Headers,
  body: UpstreamResponse['body'],
): boolean {
  if (raw.method === 'HEAD' || statusCode === 204 || statusCode === 304 || statusCode === 206) return false
  // Without chunks nothing but the gateway's cut would show that a body whose length is not known is incomplete.
  if (raw.httpVersionMajor === 1 && raw.httpVersionMinor === 0) return false
  const type = headers['content-type']
  if (typeof type !== 'string' || headers['content-encoding'] !== undefined) return false
  const length = body instanceof WholeBody ? body.bytes.length : headers['content-length']
  if (length !== undefined && Number(length) < MIN_LENGTH_BYTES) return false
  if (headers['content-range'] !== undefined || DIGESTS.some((name) => headers[name] !== undefined))
    return false
  if (forbidsTransform(asked['cache-control']) || forbidsTransform(headers['cache-control'])) return false
  return isCompressibleType(type)
}

/** Whether bodies of a Content-Type are worth compressing. Streams of events never are: each event has to go at once. */
export function isCompressibleType(type: string): boolean {
  if (isEventStreamType(type)) return false
  return COMPRESSIBLE.test((type.split(';', 1)[0] as string).trim().toLowerCase())
}

/** Whether a Cache-Control field has `no-transform`, RFC 9111 section 5.2.2.6. */
function forbidsTransform(field: unknown): boolean {
  return field !== undefined && /(?:^|[\s,])no-transform(?:$|[\s,])/i.test(String(field))
}
