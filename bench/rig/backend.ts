import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Where a rig backend's health is asked for; such a request is answered at once and not counted. */
export const HEALTH = '/health'

export interface RigBackendOptions {
  id: string
  /** Requests it works on at a time. */
  workers: number
  /** Requests that may wait for a worker; one more is refused, its connection reset. */
  queue: number
  /** Milliseconds of work that a request is, where the backend is well. */
  workOf: (request: IncomingMessage) => number
}

/** How a backend fails: with a status at once, or by resetting the connection. */
export type Failing = number | 'reset'

/** A small server as many are: a bounded number of workers, and a queue before them. It misbehaves on demand. */
export class RigBackend {
  readonly id: string
  /** How many times slower than usual it is. */
  slowness = 1
  /** What it does with every request instead of work. Its health looks well all the while. */
  failing: Failing | undefined
  /** Requests that arrived. */
  arrived = 0
  /** Requests of these that it failed. */
  failed = 0
  readonly #options: RigBackendOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #queue: ServerResponse[] = []
  #busy = 0
  #port = 0
  /** Which of its lives it is in; what was begun in another is lost. */
  #life = 0
  #paused = false
  #held: (() => void)[] = []
  #cold: { factor: number; requests: number; served: number } | undefined

  constructor(options: RigBackendOptions) {
    this.id = options.id
    this.#options = options
    this.#server = createServer((request, response) => {
      if (request.url !== HEALTH) this.arrived++
      this.#whenAwake(() => this.#receive(request, response))
    })
    // Connections are closed by who made them, so that none closes under a request.
    this.#server.keepAliveTimeout = 0
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Listens on a free port, or on the one it had before. */
  async listen(): Promise<string> {
    for (;;) {
      this.#server.listen(this.#port, '127.0.0.1')
      try {
        await once(this.#server, 'listening')
        break
      } catch (error) {
        // While it was down, somebody's connection may have got its port.
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
        await sleep(20)
      }
    }
    this.#port = (this.#server.address() as AddressInfo).port
    return this.url
  }

  /** Its process dies: connections are reset, work is lost, new connections are refused. */
  crash(): void {
    this.#life++
    this.#queue = []
    this.#busy = 0
    this.#server.close()
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  /** It stands still: it accepts connections and requests, and answers nothing. */
  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    for (const action of this.#held.splice(0)) action()
  }

  /** Its caches are empty: requests take up to `factor` times as long, fewer with each, until `requests` are done. */
  chill(factor: number, requests: number): void {
    this.#cold = { factor, requests, served: 0 }
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  #whenAwake(action: () => void): void {
    if (this.#paused) this.#held.push(action)
    else action()
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    request.resume()
    if (request.url === HEALTH) {
      response.end('well\n')
      return
    }
    if (this.failing !== undefined) this.#fail(request, response, this.failing)
    else if (this.#busy < this.#options.workers) this.#work(response)
    else if (this.#queue.length < this.#options.queue) this.#queue.push(response)
    else request.socket.destroy()
  }

  #fail(request: IncomingMessage, response: ServerResponse, failing: Failing): void {
    this.failed++
    if (failing === 'reset') request.socket.resetAndDestroy()
    else response.writeHead(failing).end('failed\n')
  }

  #work(response: ServerResponse): void {
    this.#busy++
    const life = this.#life
    const time = this.#options.workOf(response.req) * this.slowness * this.#coldness()
    const done = () => {
      if (life !== this.#life) return
      // A worker does not know that nobody waits for its answer any more.
      response.end(`${this.id}\n`)
      this.#busy--
      const next = this.#queue.shift()
      if (next) this.#work(next)
    }
    setTimeout(() => this.#whenAwake(done), time)
  }

  #coldness(): number {
    if (!this.#cold) return 1
    const { factor, requests, served } = this.#cold
    this.#cold.served++
    if (served >= requests) this.#cold = undefined
    return factor - (factor - 1) * Math.min(1, served / requests)
  }
}
