import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { Duplex } from 'node:stream'
import { emptyHeaders, type Headers } from '../../src/proxy/http/fields.js'
import type { Answer } from './answer.js'

/** What Node's client says of a response. */
export interface Heard {
  heads: [statusCode: number, statusMessage: string, headers: Headers][]
  body: string
  /** `end`, `switch`, `cut`, or the code of a fault. */
  end: string
  trailers: Headers
  keepsAlive: boolean
  version: string
}

/** A connection that takes everything, and says only what the test has it say. */
class Wire extends Duplex {
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: unknown, callback: () => void): void {
    callback()
  }
  setTimeout(): this {
    return this
  }
  setNoDelay(): this {
    return this
  }
  setKeepAlive(): this {
    return this
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
}

/** Gives the pieces of a response to Node's client, and returns what the client said. */
export async function hear(pieces: readonly Buffer[], { method, isUpgrade }: Answer): Promise<Heard> {
  const heard: Heard = { heads: [], body: '', end: '', trailers: {}, keepsAlive: false, version: '' }
  const wire = new Wire()
  const headers = isUpgrade ? { connection: 'upgrade', upgrade: 'echo' } : { connection: 'keep-alive' }
  const outgoing = request({ method, headers, createConnection: () => wire as never })
  outgoing.shouldKeepAlive = true
  outgoing.maxHeadersCount = 0
  listen(outgoing, heard)
  outgoing.end()
  // The client takes the connection in the next tick.
  await new Promise<void>((resolve) => process.nextTick(resolve))
  for (const piece of pieces) if (!wire.destroyed) wire.emit('data', piece)
  if (!wire.destroyed) wire.emit('end')
  if (heard.end === '') heard.end = 'cut'
  heard.keepsAlive = outgoing.shouldKeepAlive
  outgoing.destroy()
  wire.destroy()
  return heard
}

function listen(outgoing: ClientRequest, heard: Heard): void {
  outgoing.on('error', (error: NodeJS.ErrnoException) => {
    const { code = '' } = error
    if (heard.end === '') heard.end = /^HPE_(?!INVALID_EOF)/.test(code) ? code : 'cut'
  })
  outgoing.on('information', ({ statusCode, statusMessage, rawHeaders }) => {
    heard.heads.push([statusCode, statusMessage, byName(rawHeaders)])
  })
  outgoing.on('upgrade', ({ rawHeaders }: IncomingMessage) => {
    heard.heads.push([101, '', byName(rawHeaders)])
    heard.end = 'switch'
  })
  outgoing.on('response', (response) => {
    const { statusCode = 0, statusMessage = '', rawHeaders, httpVersion } = response
    // A switch has no text that anybody reads.
    heard.heads.push([statusCode, statusCode === 101 ? '' : statusMessage, byName(rawHeaders)])
    heard.version = httpVersion
    response.on('error', () => {})
    // The parser calls `push` with what it has read, at once. The events of the stream come later, and not all of them
    // where the connection ends with a fault.
    response.push = (chunk: Buffer | null) => {
      if (heard.end !== '') return false
      if (chunk !== null) heard.body += chunk.toString('latin1')
      else {
        heard.end = 'end'
        heard.trailers = byName(response.rawTrailers)
      }
      return true
    }
  })
}

/** Returns header lines by lower-case name. It shares no code with what it is compared with. */
function byName(lines: readonly string[]): Headers {
  const values = new Map<string, string[]>()
  for (let i = 0; i < lines.length; i += 2) {
    const name = (lines[i] as string).toLowerCase()
    values.set(name, [...(values.get(name) ?? []), lines[i + 1] as string])
  }
  const headers = emptyHeaders()
  for (const [name, list] of values) headers[name] = list.length === 1 ? list[0] : list
  return headers
}
