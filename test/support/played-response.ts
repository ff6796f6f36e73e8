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
  /** What the fault is. */
  reason: string
  trailers: Headers
  /** The bytes behind the response. */
  left: string
  keepsAlive: boolean
  keepAliveTimeout: number | undefined
  endsWithConnection: boolean
}

const MAX_HEAD_BYTES = 65_536

/** Notes what a parser says of one response. */
class Notes implements ResponseHandler {
  readonly played: Played = {
    heads: [],
    body: '',
    end: '',
    reason: '',
    trailers: {},
    left: '',
    keepsAlive: false,
    keepAliveTimeout: undefined,
    endsWithConnection: false,
  }

  onHead(statusCode: number, headers: Headers, statusMessage: string): void {
    this.#expectNoEnd()
    this.played.heads.push([statusCode, statusMessage, headers])
  }

  onBody(bytes: Buffer): void {
    this.#expectNoEnd()
    if (bytes.length === 0) throw new Error('an empty part of a body')
    this.played.body += bytes.toString('latin1')
  }

  onEnd(trailers: Headers): void {
    this.#expectNoEnd()
    this.played.end = 'end'
    this.played.trailers = trailers
  }

  onSwitch(headers: Headers): void {
    this.#expectNoEnd()
    this.played.end = 'switch'
    this.played.heads.push([101, '', headers])
  }

  /** Notes what is known once a response is over. */
  close({ keepsAlive, keepAliveTimeout, endsWithConnection }: ResponseParser): void {
    Object.assign(this.played, { keepsAlive, keepAliveTimeout, endsWithConnection })
  }

  #expectNoEnd(): void {
    if (this.played.end !== '') throw new Error(`the parser goes on after "${this.played.end}"`)
  }
}

/** Gives the pieces of a response to a parser, and returns what the parser said. */
export function play(pieces: readonly Buffer[], asked: Asked = {}): Played {
  const notes = new Notes()
  const { played } = notes
  const parser = new ResponseParser(notes, asked.maxHeadBytes ?? MAX_HEAD_BYTES)
  parser.begin(asked.method ?? 'GET', asked.isUpgrade ?? false)
  let left = ''
  try {
    for (const piece of pieces) {
      const read = parser.execute(piece)
      left += piece.toString('latin1', read)
    }
    if (played.end === '') {
      if (asked.isOpen) played.end = 'open'
      else if (!parser.finish()) played.end = 'cut'
    }
  } catch (error) {
    if (!(error instanceof MalformedResponseError)) throw error
    played.end = error.code
    played.reason = error.message
  }
  if (parser.isReading !== (played.end === 'open')) {
    throw new Error(`isReading is ${parser.isReading} after "${played.end}"`)
  }
  // Bytes behind a fault are nobody's, and how many pieces of them come depends on the cuts.
  if (played.end === 'end' || played.end === 'switch') played.left = left
  notes.close(parser)
  return played
}

/**
 * Gives the pieces of several responses to one parser, which is told of the next request as soon as a response has
 * ended, and returns what the parser said of each. None of the responses may end with its connection.
 */
export function playInARow(pieces: readonly Buffer[], asked: readonly Asked[]): Played[] {
  const all = asked.map(() => new Notes())
  let current = 0
  const begin = () => {
    const { method = 'GET', isUpgrade = false } = asked[current] as Asked
    parser.begin(method, isUpgrade)
  }
  const notes = () => all[current] as Notes
  const parser = new ResponseParser(
    {
      onHead: (statusCode, headers, statusMessage) => notes().onHead(statusCode, headers, statusMessage),
      onBody: (bytes) => notes().onBody(bytes),
      onEnd: (trailers) => {
        notes().onEnd(trailers)
        notes().close(parser)
        current++
        if (current < all.length) begin()
      },
      onSwitch: (headers) => notes().onSwitch(headers),
    },
    MAX_HEAD_BYTES,
  )
  begin()
  for (const piece of pieces) {
    let at = 0
    while (at < piece.length && parser.isReading) at += parser.execute(piece.subarray(at))
  }
  return all.map(({ played }) => played)
}

/** Cuts bytes at each of some positions. */
export function cut(bytes: Buffer, ...positions: number[]): Buffer[] {
  return [0, ...positions].map((from, i) => bytes.subarray(from, positions[i] ?? bytes.length))
}

/** Returns bytes in pieces of one byte each. */
export function byteByByte(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))
}
