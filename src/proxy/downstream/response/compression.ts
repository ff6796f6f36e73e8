import { pipeline, type Readable } from 'node:stream'
import { constants, createBrotliCompress, createGzip } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { withMember } from '../../http/header-changes.js'
import { isEventStreamType } from '../../upstream/response-check.js'
import { acceptedCoding, type Coding } from './accepted-coding.js'

/** The length of a body from which on compressing it saves more than it costs. */
const MIN_LENGTH_BYTES = 1024

/** Media types whose bodies are text, or as good to compress as text. */
const COMPRESSIBLE =
  /^(?:text\/.*|application\/(?:json|javascript|ecmascript|xml|xhtml\+xml|wasm|manifest\+json|rtf|toml|yaml|x-yaml|x-javascript|graphql|sql|vnd\.ms-fontobject)|image\/(?:svg\+xml|bmp|x-icon|vnd\.microsoft\.icon)|font\/(?:ttf|otf|collection)|.*\+(?:json|xml|text|yaml))$/

/** Fields with a checksum of the body as the backend sent it; RFC 9530, and the older fields. */
const DIGESTS = ['content-digest', 'repr-digest', 'digest', 'content-md5']

/** The replies whose Content-Encoding is the gateway's. */
const encoded = new WeakSet<FastifyReply>()

/**
 * Compresses the body of a response, where the client takes that, it is allowed, and it saves something.
 * @param payload what would be sent
 * @returns what is sent instead; the payload itself where it stays as it is
 */
export function compressed(request: FastifyRequest, reply: FastifyReply, payload: unknown): unknown {
  // An error has to be sent instead of a body that failed before its first byte.
  if (encoded.delete(reply)) reply.removeHeader('content-encoding')
  if (!isStream(payload) || !isCompressible(request, reply)) return payload
  // A cache must not give one client what another one takes.
  reply.header(
    'vary',
    withMember((reply.getHeader('vary') as string | string[] | undefined) ?? '', 'Accept-Encoding'),
  )
  const coding = acceptedCoding(request.headers['accept-encoding'])
  if (coding === undefined) return payload
  encoded.add(reply)
  reply.header('content-encoding', coding)
  reply.removeHeader('content-length')
  // Positions in the body of the backend are none in this one.
  reply.removeHeader('accept-ranges')
  weakenTag(reply)
  const compressor = compressorFor(coding)
  // If either of the two fails or is destroyed, so is the other, and Fastify cuts the response.
  pipeline(payload, compressor, () => {})
  return compressor
}

function isStream(payload: unknown): payload is Readable {
  return typeof payload === 'object' && payload !== null && 'pipe' in payload && 'destroy' in payload
}

/** Whether a response may be compressed, and is worth it, for any client. */
function isCompressible({ raw, headers }: FastifyRequest, reply: FastifyReply): boolean {
  const { statusCode } = reply
  if (raw.method === 'HEAD' || statusCode === 204 || statusCode === 304 || statusCode === 206) return false
  // Without chunks nothing but the gateway's cut would show that a body whose length is not known is incomplete.
  if (raw.httpVersionMajor === 1 && raw.httpVersionMinor === 0) return false
  if (reply.hasHeader('content-encoding') || reply.hasHeader('content-range')) return false
  if (forbidsTransform(headers['cache-control']) || forbidsTransform(reply.getHeader('cache-control')))
    return false
  if (DIGESTS.some((name) => reply.hasHeader(name))) return false
  const length = reply.getHeader('content-length')
  if (length !== undefined && Number(length) < MIN_LENGTH_BYTES) return false
  const type = reply.getHeader('content-type')
  return typeof type === 'string' && isCompressibleType(type)
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

/** A strong entity tag says that two bodies are the same byte for byte, RFC 9110 section 8.8.1. */
function weakenTag(reply: FastifyReply): void {
  const tag = reply.getHeader('etag')
  if (typeof tag === 'string' && tag.startsWith('"')) reply.header('etag', `W/${tag}`)
}

/** Each part of a body leaves as it comes: a page that a backend sends in parts is shown in parts. */
function compressorFor(coding: Coding) {
  if (coding === 'gzip') return createGzip({ flush: constants.Z_SYNC_FLUSH })
  return createBrotliCompress({
    flush: constants.BROTLI_OPERATION_FLUSH,
    params: {
      // The default of 11 takes a hundred times as long.
      [constants.BROTLI_PARAM_QUALITY]: 4,
      // 512 KB for each response that is under way.
      [constants.BROTLI_PARAM_LGWIN]: 19,
    },
  })
}
