import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { load } from '../../test/support/client.js'

const BACKENDS = 3
/** Milliseconds that a request takes a backend, at random between the two. */
const WORK_MS = { least: 5, most: 15 }

/** What is to be measured. */
export interface PeakOrder {
  port: number
  connections: number
  /** Milliseconds. */
  duration: number
}

/** One measurement. */
export interface Peaks {
  /** Most requests that each backend had at a time, by its own count. */
  peaks: number[]
  /** Requests that were answered. */
  requests: number
}

/** A backend that always takes as many requests as come, and counts those that it has. */
class CountingBackend {
  peak = 0
  #open = 0
  readonly #server = createServer((request, response) => {
    this.#open++
    this.peak = Math.max(this.peak, this.#open)
    request.resume()
    const work = WORK_MS.least + Math.random() * (WORK_MS.most - WORK_MS.least)
    setTimeout(() => {
      this.#open--
      response.end('ok')
    }, work)
  })

  async listen(): Promise<string> {
    this.#server.keepAliveTimeout = 0
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }
}

/** A process of its own with equal backends that count, and the clients of a gateway before them. */
async function main(): Promise<void> {
  const backends = Array.from({ length: BACKENDS }, () => new CountingBackend())
  const urls = await Promise.all(backends.map((backend) => backend.listen()))
  // Clients end only when their last request is answered: a backend would still count one that its client has left.
  const measure = async ({ port, connections, duration }: PeakOrder): Promise<Peaks> => {
    for (const backend of backends) backend.peak = 0
    const stop = AbortSignal.timeout(duration)
    const statuses = await load(`http://127.0.0.1:${port}`, { concurrency: connections, stop })
    const [other] = [...statuses.keys()].filter((status) => status !== 200)
    if (other !== undefined)
      throw new Error(`not the answer that was expected: ${other || 'a broken connection'}`)
    return { peaks: backends.map(({ peak }) => peak), requests: statuses.get(200) ?? 0 }
  }
  process.on('disconnect', () => process.exit())
  // Who presses Ctrl-C wants the parent to stop.
  process.on('SIGINT', () => {})
  process.on('message', (order: PeakOrder) => {
    measure(order).then(
      (sample) => process.send?.({ sample }),
      (error: Error) => process.send?.({ error: error.message }),
    )
  })
  process.send?.({ backends: urls })
}

main()
