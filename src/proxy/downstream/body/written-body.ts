import type { IncomingHttpHeaders } from 'node:http'
import { stringify } from 'node:querystring'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'

/** A body that a hook has put in the place of the client's, and the fields that describe it. */
interface WrittenBody {
  body: Readable | undefined
  fields: Record<string, string | undefined>
}

const FORM = /^application\/x-www-form-urlencoded\b/i
const JSON_TYPE = /^[^;]+[/+]json\b/i

/**
 * Makes a body from the value that a hook left. Streams and bytes stay as they are, and text is written as UTF-8. Other
 * values are written by the content-type of the request, or as JSON where the request has none.
 * @returns undefined where the value cannot be written by that content-type
 */
export function writtenBody(value: unknown, headers: IncomingHttpHeaders): WrittenBody | undefined {
  const { 'content-type': type, 'content-length': length } = headers
  // Streams of other libraries are not instances of Node's class.
  if (typeof (value as Readable).pipe === 'function') return streamed(value as Readable)
  if (value instanceof FormData || value instanceof Blob || value instanceof URLSearchParams) {
    const response = new Response(value)
    const own = response.headers.get('content-type')
    const body = Readable.fromWeb(response.body as ReadableStream)
    return streamed(body, own === null ? {} : { 'content-type': own })
  }
  if (value instanceof globalThis.ReadableStream) return streamed(Readable.fromWeb(value as ReadableStream))
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || typeof value === 'string') {
    const bytes = bytesOf(value)
    // Bytes of the same length are assumed to be the original ones, and keep their content-encoding.
    return whole(bytes, String(bytes.length) === length ? {} : { 'content-encoding': undefined })
  }
  if (typeof value === 'object' && value !== null && Symbol.asyncIterator in value) {
    return streamed(Readable.from(value as AsyncIterable<unknown>, { objectMode: false }))
  }
  if (type !== undefined && FORM.test(type) && typeof value === 'object') {
    return whole(Buffer.from(stringify(value as NodeJS.Dict<string>)), { 'content-encoding': undefined })
  }
  if (type !== undefined && !JSON_TYPE.test(type)) return undefined
  return asJson(value, type)
}

function asJson(value: unknown, type = 'application/json'): WrittenBody | undefined {
  try {
    const text = JSON.stringify(value)
    if (text === undefined) return undefined
    return whole(Buffer.from(text), { 'content-encoding': undefined, 'content-type': type })
  } catch {
    // A value that refers to itself cannot be written as JSON.
    return undefined
  }
}

function bytesOf(value: ArrayBufferView | ArrayBuffer | string): Buffer {
  if (typeof value === 'string') return Buffer.from(value)
  if (value instanceof ArrayBuffer) return Buffer.from(value)
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}

function whole(bytes: Buffer, fields: WrittenBody['fields']): WrittenBody {
  const body = bytes.length > 0 ? Readable.from([bytes], { objectMode: false }) : undefined
  return { body, fields: { ...fields, 'content-length': String(bytes.length) } }
}

function streamed(body: Readable, fields: WrittenBody['fields'] = {}): WrittenBody {
  // Without a listener, an error that comes before the body is sent would end the process.
  body.on('error', () => {})
  return { body, fields: { ...fields, 'content-length': undefined } }
}
