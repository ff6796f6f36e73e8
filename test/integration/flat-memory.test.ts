import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { TestBackend } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { memoryOf, watchMemory } from '../support/memory.js'
import { startGateway } from '../support/process.js'

const MB = 1024 * 1024

test('256 MiB pass each way, past sides that are slower, in flat memory', async (t) => {
  const chunk = Buffer.alloc(MB, 'x')
  const backend = await new TestBackend((request, response) => {
    if (request.method === 'GET') {
      let left = 256
      const more = () => {
        while (left-- > 0) if (!response.write(chunk)) return void response.once('drain', more)
        response.end()
      }
      more()
      return
    }
    // A slow reader: it takes a break after every 8 MB.
    let seen = 0
    let sinceBreak = 0
    request.on('data', (data: Buffer) => {
      seen += data.length
      sinceBreak += data.length
      if (sinceBreak < 8 * MB) return
      sinceBreak = 0
      request.pause()
      setTimeout(() => request.resume(), 10)
    })
    request.on('end', () => response.end(String(seen)))
  }).listen()
  t.after(() => backend.close())
  const gateway = await startGateway({ BACKENDS: backend.url })
  t.after(() => gateway.stop('SIGKILL'))
  await call(`${gateway.url}/`, { method: 'POST', body: 'warm' })
  const before = memoryOf(gateway)
  const stop = watchMemory(gateway)

  const up = connect(Number(new URL(gateway.url).port), '127.0.0.1').setEncoding('latin1')
  up.write(`POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${256 * MB}\r\n\r\n`)
  for (let i = 0; i < 256; i++)
    if (!up.write(chunk)) await new Promise((resolve) => up.once('drain', resolve))
  assert.ok((await up.toArray()).join('').endsWith(String(256 * MB)))

  const down = connect(Number(new URL(gateway.url).port), '127.0.0.1')
  down.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  let received = 0
  let sinceBreak = 0
  for await (const data of down) {
    received += data.length
    sinceBreak += data.length
    if (sinceBreak < 8 * MB) continue
    sinceBreak = 0
    await sleep(10)
  }
  assert.ok(received > 256 * MB)
  const most = stop()
  if (before !== undefined) assert.ok(most - before < 128, `from ${before} to ${most} MB`)
  await backend.untilOpen(0)
  const { backends } = (await callJson('GET', `${gateway.admin}/backends`)).json
  assert.equal(backends[0].inFlight, 0)
})
