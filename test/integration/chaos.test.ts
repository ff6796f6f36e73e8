import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { chaos } from '../scenarios/chaos.js'
import { openGateway } from '../support/gateway.js'
import { RawClient } from '../support/raw.js'
import { ScriptedBackend } from '../support/scripted-backend.js'

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
const post = (path: string, length: number, fields = '') =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\n${fields}Content-Length: ${length}\r\n\r\n`
const upgrade = (path: string) =>
  `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`

chaos({ requests: 1500, seed: Number(process.env.CHAOS_SEED ?? 1) })

test('while 30 streams of all kinds come and go, the counts are what the backends hold', async (t) => {
  const backends = await Promise.all([1, 2, 3].map(() => new ScriptedBackend().listen()))
  const gateway = await openGateway(backends, { BODY_TIMEOUT: '60000' })
  t.after(async () => {
    await gateway.close()
    for (const backend of backends) await backend.close()
  })
  const chunked = 'POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n'
  const openings = [
    get('/stream'),
    `${post('/echo', 100)}half`,
    upgrade('/'),
    get('/stream').repeat(2),
    chunked,
  ]
  /** What backends hold, and what the gateway says they hold. */
  const theirs = () => backends.map(({ open }) => open)
  const ours = () => gateway.balancer.registry.list().map(({ inFlight }) => inFlight)
  const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0)
  // What one side knows is on its way to the other for a moment; while nothing changes they are the same.
  const agree = async (expected: number) => {
    while (sum(theirs()) !== expected || sum(ours()) !== expected) await setImmediate()
    assert.deepEqual(ours(), theirs())
  }
  const clients: RawClient[] = []
  let held = 0
  for (let i = 0; i < 30; i++) {
    clients.push(new RawClient(gateway.url).send(openings[i % openings.length] as string))
    held += i % openings.length === 3 ? 2 : 1
    await agree(held)
  }
  assert.equal(held, 36)
  for (const [i, client] of clients.entries()) {
    if (i % 3 === 0) client.reset()
    else client.close()
    held -= i % openings.length === 3 ? 2 : 1
    await agree(held)
  }
})
