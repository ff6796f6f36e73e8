import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** How a request ended, as its backend saw it. */
export interface RecordedRequest {
  /** By the first segment of its path: what the backend was asked to do. */
  kind: string
  /** `answered`: all of the answer was sent. `broken`: the backend broke it off. `left`: somebody else did. */
  end: 'open' | 'answered' | 'broken' | 'left'
  status: number | undefined
  /** Bytes of the body that came. */
  bytesIn: number
}

type Behaviour = (request: IncomingMessage, response: ServerResponse, record: RecordedRequest) => void

const chunk = Buffer.alloc(1024, 'x')
/** Requests that some backend was slow with; the next one is not. */
const dozed = new Set<string>()
const withStatus = (code: number): Behaviour => {
  return (request, response) => request.once('end', () => response.writeHead(code).end(String(code)))
}
const breakOff = (request: IncomingMessage, record: RecordedRequest) => {
  record.end = 'broken'
  request.socket.destroy()
}

/** What a {@link RecordingBackend} does with a request. */
const behaviours: Record<string, Behaviour> = {
  ok: (request, response) => request.once('end', () => response.end('ok')),
  chunked: (request, response) =>
    request.once('end', () => {
      for (let i = 0; i < 3; i++) response.write(chunk)
      response.end()
    }),
  missing: withStatus(404),
  error: withStatus(500),
  unavailable: withStatus(503),
  late: (_request, response) => void setTimeout(() => response.end('late'), 140),
  doze(request, response) {
    const url = request.url as string
    if (dozed.has(url)) response.end('awake')
    else setTimeout(() => response.end('late'), 140)
    dozed.add(url)
  },
  reset: (request, _response, record) => breakOff(request, record),
  cut(request, response, record) {
    response.writeHead(200, { 'content-length': 99 }).write('half', () => breakOff(request, record))
  },
  silent() {},
  // Begins an answer, and says no more.
  stalled: (_request, response) => void response.writeHead(200).write('begun'),
  // Goes on for as long as somebody listens.
  endless(_request, response) {
    const timer = setInterval(() => response.write(chunk), 2)
    response.once('close', () => clearInterval(timer))
  },
}

/** A backend that remembers each request it has seen, by the second segment of its path. */
export class RecordingBackend {
  readonly seen = new Map<string, RecordedRequest[]>()
  readonly #server: Server

  constructor() {
    // Whoever keeps a connection may use it whenever he likes.
    this.#server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
      const record = this.#see(request)
      request.on('data', (bytes: Buffer) => {
        record.bytesIn += bytes.length
      })
      response.once('close', () => {
        if (record.end !== 'open') return
        record.end = response.writableFinished ? 'answered' : 'left'
        record.status = response.statusCode
      })
      const behave = behaviours[record.kind]
      behave?.(request, response, record)
    })
    this.#server.on('upgrade', (request: IncomingMessage, socket: Socket) => {
      const record = this.#see(request)
      record.status = 101
      socket.on('error', () => {})
      socket.once('close', () => {
        record.end = 'answered'
      })
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
      socket.pipe(socket)
    })
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return this
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  #see(request: IncomingMessage): RecordedRequest {
    const [, kind = '', id = ''] = (request.url as string).split('/')
    const record: RecordedRequest = { kind, end: 'open', status: undefined, bytesIn: 0 }
    const known = this.seen.get(id)
    if (known) known.push(record)
    else this.seen.set(id, [record])
    return record
  }
}
