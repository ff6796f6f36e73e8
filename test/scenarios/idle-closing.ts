import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { Agent, request } from 'undici'
import { TestBackend } from '../support/backend.js'
import { startGateway } from '../support/process.js'
import { seeded } from '../support/random.js'

/** Ways in which a server gives up a connection that has no request, as far as the server knows. */
const closings: ((socket: Socket) => void)[] = [
  (socket) => socket.end(),
  (socket) => socket.destroy(),
  (socket) => socket.resetAndDestroy(),
]

const methods = ['GET', 'HEAD', 'DELETE', 'OPTIONS', 'PUT', 'POST'] as const

/** Requests while backends close idle connections at random moments, also just when a request is on its way. */
export function idleClosing({ requests, seed }: { requests: number; seed: number }): void {
  test(`${requests} requests, seed ${seed}: no idempotent one fails, and no POST is done twice`, async (t) => {
    const random = seeded(seed)
    const done = new Map<string, number>()
    const busy = new WeakMap<Socket, number>()
    const closing = async () => {
      const backend = await new TestBackend((received, response) => {
        const { socket } = received
        busy.set(socket, (busy.get(socket) ?? 0) + 1)
        received.resume().once('end', () => {
          const id = `${received.method} ${received.url}`
          done.set(id, (done.get(id) ?? 0) + 1)
          response.end('ok')
        })
        response.once('finish', () => {
          const served = busy.get(socket)
          if (random() > 0.3) return
          const close = () => {
            if (busy.get(socket) === served) closings[Math.floor(random() * closings.length)]?.(socket)
          }
          if (random() < 0.5) setImmediate(close)
          else setTimeout(close, Math.floor(random() * 4))
        })
      }).listen()
      t.after(() => backend.close())
      return backend
    }
    const backends = await Promise.all([closing(), closing(), closing()])
    // No request may be saved by an ejection, or lost to the budget.
    const gateway = await startGateway({
      BACKENDS: backends.map(({ url }) => url).join(),
      EJECT_MAX_PERCENT: '0',
      FAILURE_DECAY: '0',
      RETRY_BUDGET: '100',
    })
    t.after(() => gateway.stop('SIGKILL'))
    const dispatcher = new Agent({ connections: 24, pipelining: 1 })
    t.after(() => dispatcher.destroy())
    const failed: string[] = []
    let lostPosts = 0
    let sent = 0
    const client = async () => {
      while (sent < requests) {
        const number = sent++
        const method = methods[number % methods.length] as (typeof methods)[number]
        const body = method === 'PUT' || method === 'POST' ? 'body' : null
        const { statusCode, body: answer } = await request(`${gateway.url}/${number}`, {
          method,
          body,
          dispatcher,
        })
        await answer.dump()
        if (statusCode === 200) continue
        if (method === 'POST') lostPosts++
        else failed.push(`${method} /${number}: ${statusCode}`)
      }
    }
    await Promise.all(Array.from({ length: 24 }, client))
    assert.deepEqual(failed.slice(0, 10), [])
    const doubled = [...done].filter(([id, times]) => id.startsWith('POST') && times > 1)
    assert.deepEqual(doubled, [])
    t.diagnostic(
      `POSTs that a closing connection has lost: ${lostPosts} of ${Math.ceil(requests / methods.length)}`,
    )
    assert.ok(backends.every(({ total }) => total > 0))
  })
}
