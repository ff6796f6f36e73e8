import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { BrotliDecompress, Gunzip, Inflate, InflateRaw, Unzip } from 'node:zlib'
import type { FastifyRequest } from 'fastify'
import { BodyReadError, brokenUpload } from '../errors/errors.js'
import { symbolOf } from '../host-app/fastify-internals.js'
import { protocolOf } from '../protocol-of.js'
import { type BodyLimits, copyOf, copyWhereRead, isBeingRead, wasRead } from './body-copy.js'
import { writtenBody } from './written-body.js'

/** What is sent to a backend as the body of a request. */
export interface Upload {
  /** Undefined where there is nothing in it. */
  body: Readable | undefined
  /** Fields that replace the client's, as these describe what the client sends; undefined for one that is left out. */
  fields: Record<string, string | undefined>
}

type Done = (error: Error | null, upload?: Upload) => void

/** The stream that preParsing hooks have returned, or the copy of it, where that is not the request itself. */
const offers = new WeakMap<FastifyRequest, Readable>()
/** By the stream that was made of a copied body: its bytes, and the stream that a hook has read. */
const copies = new WeakMap<Readable, { bytes: Buffer; from: Readable }>()

/**
 * Whether a request's body is sent as it comes, or there is none, as with nearly every request: no hook of the app has
 * read or replaced it.
 */
export function isUntouched(request: FastifyRequest): boolean {
  const { raw, body } = request
  if (body !== undefined && body !== raw) return false
  if (!protocolOf(raw).hasBody(raw)) return true
  if (body === undefined && payloadOf(request) !== raw) return false
  return !(raw.readableEnded || wasRead(raw) || isBeingRead(raw) || copyOf(raw))
}

/**
 * Takes the stream that preParsing hooks left, as a content type parser of Fastify's does. Where a hook reads the body
 * at the same time, as those do that keep it for others, it is read to its end first, as Fastify does with its own
 * parsers: then the hooks to come find what they wait for, and nothing is lost.
 */
export function offer(
  request: FastifyRequest,
  stream: Readable,
  limits: BodyLimits,
  done: (error: Error | null, body?: unknown) => void,
): void {
  const { raw, body } = request
  if (stream !== raw) {
    offers.set(request, stream)
    // It may break before it is sent.
    stream.on('error', ignore)
  }
  const copy = copyWhereRead(stream, limits)
  if (!copy) {
    done(null, body !== undefined && wasRead(stream) ? body : stream)
    return
  }
  copy.whenOver((error, bytes) => {
    if (error) {
      done(error)
      return
    }
    const again = streamOf(bytes)
    offers.set(request, again)
    copies.set(again, { bytes, from: stream })
    done(null, again)
  })
}

/** Finds what is to be sent as a request's body, after all hooks. */
export function takeUpload(request: FastifyRequest, limits: BodyLimits, done: Done): void {
  const { raw, body } = request
  const offered = offers.get(request) ?? payloadOf(request)
  const isReplaced = body !== undefined && body !== null && body !== offered && body !== raw
  const copied = copies.get(offered)
  const copy = isReplaced || copied ? undefined : copyWhereRead(offered, limits)
  if (copy) {
    copy.whenOver((error, bytes) => (error ? done(error) : done(null, uploadOf(bytes, offered, raw))))
    return
  }
  let upload: Upload
  try {
    if (isReplaced) upload = written(body, raw)
    else if (copied) upload = uploadOf(copied.bytes, copied.from, raw)
    else if (offered === raw && !protocolOf(raw).hasBody(raw)) upload = { body: undefined, fields: {} }
    else if (wasRead(offered)) upload = written(leftBehind(request, offered), raw)
    else if (offered.readableEnded) upload = uploadOf(Buffer.alloc(0), offered, raw)
    else upload = { body: offered, fields: fieldsOf(offered, raw) }
  } catch (error) {
    done(error as Error)
    return
  }
  done(null, upload)
}

function uploadOf(bytes: Buffer, from: Readable, raw: IncomingMessage): Upload {
  const fields = from === raw ? {} : { ...fieldsOf(from, raw), 'content-length': String(bytes.length) }
  // Where its length is not told, trailers may come after it.
  const isEmpty = bytes.length === 0 && (from !== raw || raw.rawTrailers.length === 0)
  return { body: isEmpty ? undefined : streamOf(bytes), fields }
}

/** What is true of a stream that a hook has made of the request. */
function fieldsOf(stream: Readable, raw: Readable): Upload['fields'] {
  if (stream === raw) return {}
  // Its length is known when it is over.
  const fields: Upload['fields'] = { 'content-length': undefined }
  if (isDecoded(stream)) fields['content-encoding'] = undefined
  return fields
}

const decoders = [BrotliDecompress, Gunzip, Inflate, InflateRaw, Unzip] as unknown as (new () => Readable)[]

/** Whether a stream undoes the coding of a body; Fastify asks for the length of the coded body of one that does. */
function isDecoded(stream: Readable): boolean {
  return 'receivedEncodedLength' in stream || decoders.some((decoder) => stream instanceof decoder)
}

/**
 * What hooks and middleware have put somewhere of a body that they have read.
 * @throws {Error} where there is nothing
 */
function leftBehind(request: FastifyRequest, offered: Readable): unknown {
  if (offered.errored && offered !== request.raw) throw brokenUpload(offered.errored)
  const { rawBody } = request as { rawBody?: unknown }
  const raw = request.raw as { rawBody?: unknown; body?: unknown }
  for (const left of [rawBody, raw.rawBody, raw.body]) {
    // Bytes that are no UTF-8 were lost when the hook read them as text.
    const isSpoiled = typeof left === 'string' && left.includes('\ufffd')
    if (left !== undefined && left !== null && !isSpoiled) return left
  }
  const what = offered.readableEnded ? 'the body' : 'a part of the body'
  throw new BodyReadError(
    `a hook of the app has read ${what} of this request and has left nothing to be sent in its place, as request.body`,
  )
}

function written(value: unknown, raw: IncomingMessage): Upload {
  const body = writtenBody(value, raw.headers)
  if (body) return body
  const type = raw.headers['content-type'] ?? 'a body'
  throw new BodyReadError(
    `a hook of the app has left a value in the place of this request's body that cannot be written as ${type}`,
  )
}

/** The stream that preParsing hooks left, also of a method whose body Fastify does not parse. */
function payloadOf(request: FastifyRequest): Readable {
  const symbol = symbolOf(request, 'fastify.RequestPayloadStream')
  const payload = symbol && (request as unknown as Record<symbol, unknown>)[symbol]
  return isStream(payload) ? payload : request.raw
}

function streamOf(bytes: Buffer): Readable {
  return Readable.from(bytes.length > 0 ? [bytes] : [], { objectMode: false })
}

/** Streams of other libraries are streams, too. */
function isStream(value: unknown): value is Readable {
  return typeof (value as Readable | undefined)?.pipe === 'function'
}

function ignore(): void {}
