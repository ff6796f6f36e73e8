import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface DemoBackendOptions {
  id: string
  /** Requests it works on at a time. */
  workers: number
  /** Requests that may wait for a worker; one more is refused, its connection reset. */
  queue: number
  /** Mean time of the work on one request, in milliseconds; it varies by a quarter. */
  serviceTime: number
  random: () => number
}

/** A small server as many are: a bounded number of workers, and a queue before them. */
export class DemoBackend {
  readonly id: string
  /** How many times slower than usual it is. */
  slowness = 1
  /** Requests that arrived. */
  arrived = 0
  readonly #options: DemoBackendOptions
  readonly #server: Server
  readonly #queue: ServerResponse[] = []
  #busy = 0

  constructor(options: DemoBackendOptions) {
    this.id = options.id
    this.#options = options
    this.#server = createServer((request, response) => {
      this.arrived++
      request.resume()
      if (this.#busy < options.workers) this.#work(response)
      else if (this.#queue.length < options.queue) this.#queue.push(response)
      else request.socket.destroy()
    })
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  #work(response: ServerResponse): void {
    this.#busy++
    const { serviceTime, random } = this.#options
    const time = serviceTime * this.slowness * (0.75 + random() / 2)
    setTimeout(() => {
      // A worker does not know that nobody waits for its answer any more.
      response.end(`${this.id}\n`)
      this.#busy--
      const next = this.#queue.shift()
      if (next) this.#work(next)
    }, time)
  }
}
