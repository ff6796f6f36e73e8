import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { ANSWER_BYTES, type Answer, CHUNK_BYTES } from './kinds.js'

const HEAD_END = Buffer.from('\r\n\r\n')
const LENGTH = /\r\ncontent-length: *(\d+)/i
/** Chunks of a stream that are written at a time, so that the backend takes little of the load's core. */
const CHUNKS_AT_ONCE = 16

const head = (framing: string) =>
  Buffer.from(
    'HTTP/1.1 200 OK\r\n' +
      'content-type: text/plain; charset=utf-8\r\n' +
      `${framing}\r\n` +
      `date: ${new Date().toUTCString()}\r\n\r\n`,
  )
const whole = (bytes: number) => Buffer.concat([head(`content-length: ${bytes}`), Buffer.alloc(bytes, 'x')])

const small = whole(ANSWER_BYTES.small)
const large = whole(ANSWER_BYTES.large)
const streamHead = head('transfer-encoding: chunked')
const chunk = Buffer.concat([
  Buffer.from(`${CHUNK_BYTES.toString(16)}\r\n`),
  Buffer.alloc(CHUNK_BYTES, 'x'),
  Buffer.from('\r\n'),
])
const chunks = Buffer.concat(Array.from({ length: CHUNKS_AT_ONCE }, () => chunk))
const streamEnd = Buffer.from('0\r\n\r\n')

/**
 * The cheapest backend there is: the same bytes for each request. Of a request it looks only at the length of
 * its body, and at the answer that its path asks for. No gateway sends it a request before the last is answered.
 */
export async function startBackend(): Promise<{ url: string; close(): void }> {
  const server = createServer({ noDelay: true }, (socket) => {
    const request = new RequestEnd((answer) => send(socket, answer))
    socket.on('data', (bytes) => {
      if (!request.take(bytes)) socket.destroy()
    })
    socket.on('error', () => {})
  })
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 })
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, close: () => server.close() }
}

function send(socket: Socket, answer: Answer): void {
  if (answer === 'small') socket.write(small)
  else if (answer === 'large') socket.write(large)
  else stream(socket)
}

function stream(socket: Socket): void {
  let left = ANSWER_BYTES.stream / (CHUNK_BYTES * CHUNKS_AT_ONCE)
  const more = () => {
    while (left > 0) {
      left--
      if (!socket.write(chunks)) break
    }
    if (left > 0) socket.once('drain', more)
    else socket.write(streamEnd)
  }
  socket.write(streamHead)
  more()
}

/** Finds where each request of a connection ends. */
class RequestEnd {
  readonly #onEnd: (answer: Answer) => void
  /** The beginning of a head. */
  #part: Buffer | undefined
  #answer: Answer = 'small'
  /** Bytes of the body that are still to come. */
  #missing = 0

  constructor(onEnd: (answer: Answer) => void) {
    this.#onEnd = onEnd
  }

  /** @returns false for a request whose end cannot be told: every gateway here passes the length on */
  take(bytes: Buffer): boolean {
    if (this.#missing === 0) return this.#head(this.#part ? Buffer.concat([this.#part, bytes]) : bytes)
    this.#body(bytes.length)
    return true
  }

  #head(bytes: Buffer): boolean {
    const end = bytes.indexOf(HEAD_END)
    this.#part = end === -1 ? bytes : undefined
    if (end === -1) return true
    const head = bytes.toString('latin1', 0, end)
    this.#answer = answerOf(head)
    // A GET has no body, which saves looking for its length.
    const length = head.startsWith('GET') ? 0 : LENGTH.exec(head)?.[1]
    if (length === undefined) return false
    this.#missing = Number(length)
    this.#body(bytes.length - end - HEAD_END.length)
    return true
  }

  #body(bytes: number): void {
    this.#missing -= bytes
    if (this.#missing === 0) this.#onEnd(this.#answer)
  }
}

/** What the path asks for; a health check asks for nothing. */
function answerOf(head: string): Answer {
  const name = /^\w+ \/\S*[?]answer=(\w+)/.exec(head)?.[1]
  return name === 'large' || name === 'stream' ? name : 'small'
}
