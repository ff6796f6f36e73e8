import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'

type Behaviour = (request: IncomingMessage, response: ServerResponse) => void

const chunk = Buffer.alloc(16 * 1024, 'x')

/** What a {@link ScriptedBackend} does with a request, by the first segment of its path. */
const behaviours: Record<string, Behaviour> = {
  ok: (request, response) => request.resume().on('end', () => response.end('ok')),
  late: (request, response) => request.resume().on('end', () => setTimeout(() => response.end('late'), 5)),
  big: (request, response) => {
    request.resume()
    for (let i = 0; i < 20; i++) response.write(chunk)
    response.end()
  },
  huge: (request, response) => {
    request.resume()
    response.end(Buffer.alloc(32 * 1024 * 1024))
  },
  echo: (request, response) => request.pipe(response.writeHead(200)),
  hints: (request, response) => {
    request.resume()
    response.writeEarlyHints({ link: '</a.css>; rel=preload' })
    response.end('hinted')
  },
  trailers: (request, response) => {
    request.resume()
    response.writeHead(200, { trailer: 'x-end' }).write('body')
    response.addTrailers({ 'x-end': '1' })
    response.end()
  },
  // Answers without reading what is sent.
  early: (_request, response) => response.writeHead(413).end('enough'),
  error: (request, response) => request.resume().on('end', () => response.writeHead(503).end('sorry')),
  reset: (request) => request.socket.resetAndDestroy(),
  cut: (request, response) => {
    request.resume()
    response.writeHead(200, { 'content-length': 99 }).write('half', () => request.socket.destroy())
  },
  half: (request, response) => {
    request.resume()
    response.writeHead(200).write('half')
  },
  // For as long as somebody listens.
  stream: (request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: first\n\n')
  },
  silent: (request) => {
    request.resume()
  },
  // Reads nothing for a while, and answers nothing. (Before it reads it cannot see that it is left, either.)
  deaf: (request) => void setTimeout(() => request.resume(), 600),
}

/** A backend with a script for each path, which counts for itself what it works on. */
export class ScriptedBackend {
  readonly server: Server
  /** Requests and tunnels it works on now. */
  open = 0
  total = 0

  constructor() {
    this.server = createServer((request, response) => {
      this.#enter(response)
      const behave = behaviours[(request.url as string).split(/[/?]/)[1] as string] as Behaviour
      behave(request, response)
    })
    this.server.on('checkContinue', (request, response) => {
      if (request.url !== '/early') response.writeContinue()
      this.server.emit('request', request, response)
    })
    this.server.on('upgrade', (request: IncomingMessage, socket: Socket) => {
      this.#enter(socket)
      socket.on('error', () => {})
      socket.on('end', () => socket.end())
      if (request.url === '/later') return
      if (request.url === '/huge') {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${32 * 1024 * 1024}\r\n\r\n`)
        socket.end(Buffer.alloc(32 * 1024 * 1024))
        return
      }
      if (request.url === '/refuse') {
        socket.end('HTTP/1.1 403 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno')
        return
      }
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
      socket.pipe(socket)
    })
    this.server.on('clientError', (_error, socket: Duplex) => socket.destroy())
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  async listen(): Promise<this> {
    this.server.listen(0, '127.0.0.1')
    await once(this.server, 'listening')
    return this
  }

  async close(): Promise<void> {
    this.server.close()
    this.server.closeAllConnections()
    await once(this.server, 'close')
  }

  #enter(whatever: ServerResponse | Socket): void {
    this.open++
    this.total++
    whatever.once('close', () => this.open--)
  }
}
