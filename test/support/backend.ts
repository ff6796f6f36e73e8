import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** A real HTTP server on loopback that counts for itself what it is asked to do. */
export class TestBackend {
  readonly server: Server
  /** Requests that arrived, and what they asked for. */
  readonly seen: { method: string; url: string; headers: IncomingMessage['headers'] }[] = []
  /** Requests it works on now, by its own count. */
  open = 0
  /** Open sockets. */
  readonly sockets = new Set<Socket>()

  constructor(handler: Handler) {
    this.server = createServer((request, response) => {
      this.seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers })
      this.open++
      response.once('close', () => {
        this.open--
        this.server.emit('settled')
      })
      this.server.emit('arrived')
      handler(request, response)
    })
    this.server.on('connection', (socket) => {
      this.sockets.add(socket)
      socket.once('close', () => this.sockets.delete(socket))
    })
  }

  get total(): number {
    return this.seen.length
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  get url(): string {
    const address = this.server.address()
    return typeof address === 'string' ? `unix:${address}` : `http://127.0.0.1:${this.port}`
  }

  /** Listens on a port of loopback, or on a Unix socket. */
  async listen(path?: string): Promise<this> {
    if (path === undefined) this.server.listen(0, '127.0.0.1')
    else this.server.listen(path)
    await once(this.server, 'listening')
    return this
  }

  /** Resolves once it works on `count` requests. */
  async untilOpen(count: number): Promise<void> {
    while (this.open !== count)
      await Promise.race([once(this.server, 'arrived'), once(this.server, 'settled')])
  }

  async close(): Promise<void> {
    if (!this.server.listening) return
    this.server.close()
    this.server.closeAllConnections()
    await once(this.server, 'close')
  }
}

/**
 * A backend that answers "ok" after `delay` milliseconds, having read the body.
 * @param path of a Unix socket, where it is not to listen on a port
 */
export function answering(delay = 0, path?: string): Promise<TestBackend> {
  return new TestBackend((request, response) => {
    request.resume().once('end', () => {
      if (delay === 0) response.end('ok')
      else setTimeout(() => response.end('ok'), delay)
    })
  }).listen(path)
}

/** A backend that can be given another part at any time. */
export async function changing(handler: Handler): Promise<TestBackend & { become(handler: Handler): void }> {
  let now = handler
  const backend = await new TestBackend((request, response) => now(request, response)).listen()
  return Object.assign(backend, {
    become(next: Handler) {
      now = next
    },
  })
}

/** Answers with a status once the body was read, after `delay` milliseconds. */
export function status(code: number, delay = 0): Handler {
  return (request, response) => {
    request.resume().once('end', () => {
      if (delay === 0) response.writeHead(code).end(String(code))
      else setTimeout(() => response.writeHead(code).end(String(code)), delay)
    })
  }
}

/** A backend whose answers wait for `release`. @param path of a Unix socket, where it is not to listen on a port */
export async function holding(path?: string): Promise<TestBackend & { release(): void }> {
  const held: ServerResponse[] = []
  const backend = await new TestBackend((request, response) => {
    request.resume()
    held.push(response)
  }).listen(path)
  return Object.assign(backend, {
    release() {
      for (const response of held.splice(0)) response.end('held')
    },
  })
}

let deadPort = 0

/** An address where nothing listens. A port that was free a moment ago may be the gateway's own in the next. */
export function deadUrl(): string {
  deadPort++
  return `http://127.0.0.1:${deadPort}`
}
