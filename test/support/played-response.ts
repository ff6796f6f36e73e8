import type { Headers } from '../../src/proxy/http/fields.js'
import { MalformedResponseError } from '../../src/proxy/upstream/transport/http1/malformed-response-error.js'
import {
  type ResponseHandler,
  ResponseParser,
} from '../../src/proxy/upstream/transport/http1/response-parser.js'

/** The request of which a response is read. */
export interface Asked {
  method?: string
  isUpgrade?: boolean
  maxHeadBytes?: number
  /** True if the connection stays open behind the bytes. */
  isOpen?: boolean
}

/** What a parser has said of a response. */
export interface Played {
  heads: [statusCode: number, statusMessage: string, headers: Headers][]
  body: string
  /** How the response ended: `open` if it may still go on, `cut` if its end was missing, or the code of a fault. */
  end: string
  trailers: Headers
  /** The bytes behind the response. */
  left: string
  keepsAlive: boolean
  keepAliveTimeout: number | undefined
  endsWithConnection: boolean
}

/** Gives the pieces of a response to a parser, and returns what the parser said. */
export function play(pieces: readonly Buffer[], asked: Asked = {}): Played {
  const heads: Played['heads'] = []
  let body = ''
  let end = ''
  let trailers: Headers = {}
  const ended = (how: string) => {
    if (end !== '') throw new Error(`${how} after ${end}`)
    end = how
  }
  const handler: ResponseHandler = {
    onHead(statusCode, headers, statusMessage) {
      if (end !== '') throw new Error(`a head after ${end}`)
      heads.push([statusCode, statusMessage, headers])
    },
    onBody(bytes) {
      if (end !== '' || bytes.length === 0) throw new Error(`${bytes.length} bytes after ${end}`)
      body += bytes.toString('latin1')
    },
    onEnd(fields) {
      ended('end')
      trailers = fields
    },
    onSwitch(headers) {
      ended('switch')
      heads.push([101, '', headers])
    },
  }
  const parser = new ResponseParser(handler, asked.maxHeadBytes ?? 65_536)
  parser.begin(asked.method ?? 'GET', asked.isUpgrade ?? false)
  let left = ''
  try {
    for (const piece of pieces) {
      const read = parser.execute(piece)
      left += piece.toString('latin1', read)
    }
    if (end === '') {
      if (asked.isOpen) end = 'open'
      else if (!parser.finish()) end = 'cut'
    }
  } catch (error) {
    if (!(error instanceof MalformedResponseError)) throw error
    end = error.code
  }
  if (parser.isReading !== (end === 'open')) throw new Error(`isReading is ${parser.isReading} at ${end}`)
  const { keepsAlive, keepAliveTimeout, endsWithConnection } = parser
  // Bytes behind a fault are nobody's, and how many pieces of them come depends on the cuts.
  if (end !== 'end' && end !== 'switch') left = ''
  return { heads, body, end, trailers, left, keepsAlive, keepAliveTimeout, endsWithConnection }
}

/** Cuts bytes at each of some positions. */
export function cut(bytes: Buffer, ...positions: number[]): Buffer[] {
  return [0, ...positions].map((from, i) => bytes.subarray(from, positions[i] ?? bytes.length))
}

/** Returns the bytes of a text in pieces of one byte each. */
export function byteByByte(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))
}
