import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { BrotliDecompress, Gunzip, Inflate, InflateRaw, Unzip } from 'node:zlib'
import type { FastifyRequest } from 'fastify'
import { BodyReadError } from '../errors/errors.js'
import { brokenBodyError } from '../errors/gateway-error.js'
import { symbolOf } from '../host-app/fastify-internals.js'
import { protocolOf } from '../protocol-of.js'
import { type BodyLimits, copyIfRead, copyOf, isBeingRead, wasRead } from './body-copy.js'
import { writtenBody } from './written-body.js'

/** The body of a request for a backend, which may be another one than the client's. */
export interface BodyToSend {
  /** The body as a stream; undefined where the body is empty. */
  body: Readable | undefined
  /** Fields that describe the body and replace the client's; a field whose value is undefined is removed. */
  fields: Record<string, string | undefined>
}

type Done = (error: Error | null, body?: BodyToSend) => void

/**
 * By request: the stream that preParsing hooks returned, or a copy of that stream. Requests whose stream is the request
 * itself are not in the map.
 */
const payloads = new WeakMap<FastifyRequest, Readable>()
/** For each stream that was made from a copy: the bytes of the copy, and the stream that a hook has read. */
const copies = new WeakMap<Readable, { bytes: Buffer; from: Readable }>()

/**
 * Whether a request has no body, or a body that no hook of the app has read or replaced. This is true of nearly every
 * request.
 */
export function isBodyUntouched(request: FastifyRequest): boolean {
  const { raw, body } = request
  if (body !== undefined && body !== raw) return false
  if (!protocolOf(raw).hasBody(raw)) return true
  if (body === undefined && payloadOf(request) !== raw) return false
  return !(raw.readableEnded || wasRead(raw) || isBeingRead(raw) || copyOf(raw))
}

/**
 * Accepts the stream that preParsing hooks returned, as a content type parser of Fastify. A hook may read the stream at
 * the same time, for example to keep the body for later hooks. Then the stream is copied to its end first, because
 * Fastify's own parsers also read to the end and later hooks may rely on that; the copy is what is sent.
 * @param done called with the value for `request.body`
 */
export function acceptPayload(
  request: FastifyRequest,
  stream: Readable,
  limits: BodyLimits,
  done: (error: Error | null, body?: unknown) => void,
): void {
  const { raw, body } = request
  if (stream !== raw) {
    payloads.set(request, stream)
    // Without a listener, an error that comes before the body is sent would end the process.
    stream.on('error', ignore)
  }
  const copy = copyIfRead(stream, limits)
  if (!copy) {
    done(null, body !== undefined && wasRead(stream) ? body : stream)
    return
  }
  copy.onComplete((error, bytes) => {
    if (error) {
      done(error)
      return
    }
    const again = streamOf(bytes)
    payloads.set(request, again)
    copies.set(again, { bytes, from: stream })
    done(null, again)
  })
}

/** Finds what to send as the body of a request, after all hooks. */
export function findBodyToSend(request: FastifyRequest, limits: BodyLimits, done: Done): void {
  const { raw, body } = request
  const offered = payloads.get(request) ?? payloadOf(request)
  const isReplaced = body !== undefined && body !== null && body !== offered && body !== raw
  const copied = copies.get(offered)
  const copy = isReplaced || copied ? undefined : copyIfRead(offered, limits)
  if (copy) {
    copy.onComplete((error, bytes) => (error ? done(error) : done(null, fromBytes(bytes, offered, raw))))
    return
  }
  let found: BodyToSend
  try {
    if (isReplaced) found = fromValue(body, raw)
    else if (copied) found = fromBytes(copied.bytes, copied.from, raw)
    else if (offered === raw && !protocolOf(raw).hasBody(raw)) found = { body: undefined, fields: {} }
    else if (wasRead(offered)) found = fromValue(valueLeftByHooks(request, offered), raw)
    else if (offered.readableEnded) found = fromBytes(Buffer.alloc(0), offered, raw)
    else found = { body: offered, fields: fieldsOf(offered, raw) }
  } catch (error) {
    done(error as Error)
    return
  }
  done(null, found)
}

function fromBytes(bytes: Buffer, from: Readable, raw: IncomingMessage): BodyToSend {
  const fields = from === raw ? {} : { ...fieldsOf(from, raw), 'content-length': String(bytes.length) }
  // A chunked body may have trailers even where it is empty.
  const isEmpty = bytes.length === 0 && (from !== raw || raw.rawTrailers.length === 0)
  return { body: isEmpty ? undefined : streamOf(bytes), fields }
}

/** The fields that describe a stream which a hook has made from the request. */
function fieldsOf(stream: Readable, raw: Readable): BodyToSend['fields'] {
  if (stream === raw) return {}
  // The length of a stream is not known before its end.
  const fields: BodyToSend['fields'] = { 'content-length': undefined }
  if (isDecoded(stream)) fields['content-encoding'] = undefined
  return fields
}

const decoders = [BrotliDecompress, Gunzip, Inflate, InflateRaw, Unzip] as unknown as (new () => Readable)[]

/**
 * Whether a stream decodes the content coding of a body. Fastify requires such streams to have `receivedEncodedLength`.
 */
function isDecoded(stream: Readable): boolean {
  return 'receivedEncodedLength' in stream || decoders.some((decoder) => stream instanceof decoder)
}

/**
 * The body that a hook or a middleware has read and then stored in one of the usual properties.
 * @throws {FastifyError} where none of these properties has the body
 */
function valueLeftByHooks(request: FastifyRequest, offered: Readable): unknown {
  if (offered.errored && offered !== request.raw) throw brokenBodyError(offered.errored)
  const { rawBody } = request as { rawBody?: unknown }
  const raw = request.raw as { rawBody?: unknown; body?: unknown }
  for (const value of [rawBody, raw.rawBody, raw.body]) {
    // Bytes that are not UTF-8 were lost when the hook read them as text.
    const isLossy = typeof value === 'string' && value.includes('\ufffd')
    if (value !== undefined && value !== null && !isLossy) return value
  }
  const what = offered.readableEnded ? 'the body' : 'a part of the body'
  throw new BodyReadError(
    `a hook of the app has read ${what} of this request and has left nothing to be sent in its place, as request.body`,
  )
}

function fromValue(value: unknown, raw: IncomingMessage): BodyToSend {
  const body = writtenBody(value, raw.headers)
  if (body) return body
  const type = raw.headers['content-type'] ?? 'a body'
  throw new BodyReadError(
    `a hook of the app has left a value in the place of this request's body that cannot be written as ${type}`,
  )
}

/** The stream that preParsing hooks returned, even for a method whose body Fastify does not parse. */
function payloadOf(request: FastifyRequest): Readable {
  const symbol = symbolOf(request, 'fastify.RequestPayloadStream')
  const payload = symbol && (request as unknown as Record<symbol, unknown>)[symbol]
  return isStream(payload) ? payload : request.raw
}

function streamOf(bytes: Buffer): Readable {
  return Readable.from(bytes.length > 0 ? [bytes] : [], { objectMode: false })
}

/** Streams of other libraries are not instances of Node's class. */
function isStream(value: unknown): value is Readable {
  return typeof (value as Readable | undefined)?.pipe === 'function'
}

function ignore(): void {}
