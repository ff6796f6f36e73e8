import { connect, type Socket } from 'node:net'
import { ANSWER_BYTES, type Kind, type KindName, kindOf } from './kinds.js'

const HEAD_END = Buffer.from('\r\n\r\n')
const OK = Buffer.from('HTTP/1.1 200')
const LENGTH = /\r\ncontent-length: *(\d+)/i
const CHUNKED = /\r\ntransfer-encoding: *chunked/i
/** The end of a body in chunks. */
const LAST_CHUNK = Buffer.from('\r\n0\r\n\r\n')

export interface ClientsOptions {
  port: number
  kind: KindName
  connections: number
  /** Requests a second, which come at random; undefined for as many as are answered. */
  rate: number | undefined
}

function requestOf({ method, body, answer }: Kind): Buffer {
  const lines = [
    `${method} /item?answer=${answer} HTTP/1.1`,
    'host: bench.example',
    'user-agent: bench/1.0',
    'accept: */*',
    ...(body > 0 ? ['content-type: application/octet-stream', `content-length: ${body}`] : []),
  ]
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), Buffer.alloc(body, 'x')])
}

/**
 * Clients on kept connections, as cheap as they can be, since they share a machine with what is measured:
 * the same bytes each time, and of an answer only its status and its end are looked at.
 */
export class Clients {
  /** Answers that came back whole, with status 200. */
  answered = 0
  /** Bytes of answers, with what frames them. */
  bytes = 0
  /** Requests that were due while every connection was in use; there was no room for them. */
  late = 0
  /** What went wrong, if anything did. */
  error: Error | undefined
  readonly #request: Buffer
  readonly #least: number
  readonly #rate: number | undefined
  readonly #sockets: Socket[]
  readonly #idle: Socket[] = []
  /** All connections read into it, one after the other. */
  readonly #buffer = Buffer.alloc(256 * 1024)
  #stopped = false

  constructor({ port, kind: name, connections, rate }: ClientsOptions) {
    const kind = kindOf(name)
    this.#request = requestOf(kind)
    this.#least = ANSWER_BYTES[kind.answer]
    this.#rate = rate
    const count = Math.min(connections, kind.connections ?? connections)
    this.#sockets = Array.from({ length: count }, () => this.#open(port))
    if (rate !== undefined) this.#pace(performance.now())
  }

  stop(): void {
    this.#stopped = true
    for (const socket of this.#sockets) socket.destroy()
  }

  #open(port: number): Socket {
    const answer = new AnswerEnd()
    const socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: this.#buffer,
        callback: (length) => {
          this.bytes += length
          const ended = answer.take(this.#buffer.subarray(0, length))
          if (ended === undefined || (ended && answer.bytes < this.#least)) {
            this.#fail(new Error(`not the answer that was expected: ${answer.head}`))
          } else if (ended) {
            this.answered++
            this.#ready(socket)
          }
          return true
        },
      },
    })
    socket.once('connect', () => this.#ready(socket))
    socket.once('error', (error) => this.#fail(error))
    socket.once('close', () => this.#fail(new Error('the connection was closed')))
    return socket
  }

  #ready(socket: Socket): void {
    if (this.#rate === undefined) socket.write(this.#request)
    else this.#idle.push(socket)
  }

  #fail(error: Error): void {
    if (!this.#stopped) this.error ??= error
  }

  /** Looks in every turn of the loop: a timer would send in bursts, one each millisecond. */
  #pace(due: number): void {
    if (this.#stopped) return
    const now = performance.now()
    while (due <= now) {
      // The one that has been idle longest.
      const socket = this.#idle.shift()
      if (socket) socket.write(this.#request)
      else this.late++
      due += (-Math.log(1 - Math.random()) / (this.#rate as number)) * 1000
    }
    setImmediate(() => this.#pace(due))
  }
}

/** Finds where each answer of a connection ends. */
class AnswerEnd {
  /** The head of the answer, as far as it has come. */
  head = ''
  /** Bytes of the body that have come, with the lines around chunks. */
  bytes = 0
  /** The beginning of a head. */
  #part: Buffer | undefined
  /** Bytes of the whole body; undefined for one in chunks. */
  #length: number | undefined
  #inBody = false
  /** The last bytes of a body in chunks. */
  #tail = Buffer.alloc(0)

  /** @returns whether the answer has ended; undefined where it is not one that was expected */
  take(chunk: Buffer): boolean | undefined {
    if (this.#inBody) return this.#body(chunk)
    if (this.#part) chunk = Buffer.concat([this.#part, chunk])
    const end = chunk.indexOf(HEAD_END)
    // (The buffer that it was read into is used again.)
    this.#part = end === -1 ? Buffer.from(chunk) : undefined
    if (end === -1) return false
    this.head = chunk.toString('latin1', 0, end)
    const length = LENGTH.exec(this.head)?.[1]
    if (!chunk.subarray(0, OK.length).equals(OK)) return undefined
    if (length === undefined && !CHUNKED.test(this.head)) return undefined
    this.#length = length === undefined ? undefined : Number(length)
    this.bytes = 0
    this.#tail = Buffer.alloc(0)
    this.#inBody = true
    return this.#body(chunk.subarray(end + HEAD_END.length))
  }

  #body(chunk: Buffer): boolean {
    this.bytes += chunk.length
    const ended = this.#length === undefined ? this.#lastChunk(chunk) : this.bytes >= this.#length
    this.#inBody = !ended
    return ended
  }

  /** The body is all the same letter, so nothing in it looks like its end. */
  #lastChunk(chunk: Buffer): boolean {
    const size = LAST_CHUNK.length
    this.#tail = Buffer.from(
      chunk.length >= size ? chunk.subarray(-size) : Buffer.concat([this.#tail, chunk]).subarray(-size),
    )
    return this.#tail.equals(LAST_CHUNK)
  }
}
