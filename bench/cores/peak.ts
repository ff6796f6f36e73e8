import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Clients } from '../cost/clients.js'
import { ANSWER_BYTES } from '../cost/kinds.js'

const BACKENDS = 3
/** Milliseconds that a request takes a backend, at random between the two. */
const WORK_MS = { least: 5, most: 15 }
const answer = 'x'.repeat(ANSWER_BYTES.small)

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
  open = 0
  readonly #server = createServer((request, response) => {
    this.open++
    this.peak = Math.max(this.peak, this.open)
    request.resume()
    const work = WORK_MS.least + Math.random() * (WORK_MS.most - WORK_MS.least)
    setTimeout(() => {
      this.open--
      response.end(answer)
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
  const measure = async ({ port, connections, duration }: PeakOrder): Promise<Peaks> => {
    // What the clients of the last measurement had asked for.
    while (backends.some(({ open }) => open > 0)) await sleep(WORK_MS.most)
    for (const backend of backends) backend.peak = 0
    const clients = new Clients({ port, connections, kind: 'get', rate: undefined })
    try {
      await sleep(duration)
      if (clients.error) throw clients.error
      return { peaks: backends.map(({ peak }) => peak), requests: clients.answered }
    } finally {
      clients.stop()
    }
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
