import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { answering } from '../support/backend.js'
import { startGateway } from '../support/process.js'
import { noSharedPort } from '../support/shared-port.js'

const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
/** Connections that are made every 5 milliseconds: 1,000 in a second. */
const AT_ONCE = 5
const INTERVAL_MS = 5

/** Number of series of stops, of which one has to be almost without a loss. */
const SERIES = 3
/** Largest number of requests that such a series loses per stop; listeners that are closed at once lose about one or more. */
const MAX_LOST = 1 / 4

interface Results {
  answered: number
  lost: number
  refused: number
}

/**
 * Stops a gateway so many times, while new connections come. Where the machine gives the processor to another process
 * between the last accept and the close, what comes in that moment is lost, whatever the gateway does; so losses have to
 * come again and again to count.
 */
export function stops({ times, workers }: { times: number; workers: number }): void {
  test(`${times} stops with 1,000 new connections a second lose hardly a request: ${workers} worker(s)`, {
    skip: workers > 1 && noSharedPort,
  }, async (t) => {
    const backend = await answering()
    t.after(() => backend.close())
    const lost: number[] = []
    const isFew = (count: number) => count <= times * MAX_LOST
    for (let i = 0; i < SERIES && !lost.some(isFew); i++) {
      const results = await series(times, workers, backend.url)
      t.diagnostic(JSON.stringify(results))
      assert.ok(results.answered > 100 * times)
      lost.push(results.lost)
    }
    assert.ok(lost.some(isFew), `lost in each series: ${lost}`)
  })
}

async function series(times: number, workers: number, url: string): Promise<Results> {
  const results = { answered: 0, lost: 0, refused: 0 }
  for (let i = 0; i < times; i++) {
    const gateway = await startGateway({
      BACKENDS: url,
      WORKERS: `${workers}`,
      LOG_LEVEL: 'info',
      SLOW_START: '0',
    })
    const ready = await gateway.line(({ msg }) => msg === 'gateway ready')
    const { port } = new URL(String(ready.traffic))
    const requests: Promise<void>[] = []
    const timer = setInterval(() => {
      for (let n = 0; n < AT_ONCE; n++) requests.push(ask(Number(port), results))
    }, INTERVAL_MS)
    await sleep(300 + (i % 10) * 7)
    assert.equal(await gateway.stop(), 0)
    clearInterval(timer)
    await Promise.all(requests)
  }
  return results
}

/** One request. Whoever is refused was told so, and may ask elsewhere; whoever was accepted gets an answer. */
async function ask(port: number, results: Results): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' })
  let text = ''
  let isConnected = false
  socket.on('connect', () => {
    isConnected = true
    socket.write(REQUEST)
  })
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.on('error', () => {})
  await new Promise((resolve) => socket.once('close', resolve))
  if (text.endsWith('ok')) results.answered++
  else if (isConnected) results.lost++
  else results.refused++
}
