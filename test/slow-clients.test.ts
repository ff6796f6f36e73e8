import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { TestBackend } from './support/backend.js'
import { call, callJson } from './support/client.js'
import { type GatewayProcess, startGateway } from './support/process.js'

const open: { close(): Promise<unknown> }[] = []
after(() => Promise.all(open.map((thing) => thing.close())))

const MB = 1024 * 1024

/** Memory of a process in MB; undefined where this cannot be told. */
function memoryOf({ child }: GatewayProcess): number | undefined {
  try {
    const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? []
    return Number(kilobytes) / 1024
  } catch {
    return undefined
  }
}

/** Looks at the memory of a process until it is told to stop; resolves to the most it saw. */
function watch(gateway: GatewayProcess): () => number {
  let most = 0
  const look = () => {
    most = Math.max(most, memoryOf(gateway) ?? 0)
  }
  look()
  const timer = setInterval(look, 50)
  return () => {
    look()
    clearInterval(timer)
    return most
  }
}

async function pair(
  handler: ConstructorParameters<typeof TestBackend>[0],
  env: Record<string, string>,
): Promise<[TestBackend, GatewayProcess]> {
  const backend = await new TestBackend(handler).listen()
  const gateway = await startGateway({ BACKENDS: backend.url, LOG_LEVEL: 'info', ...env })
  open.push(backend, { close: () => gateway.stop('SIGKILL') })
  return [backend, gateway]
}

const inFlight = async ({ admin }: GatewayProcess) =>
  (await callJson('GET', `${admin}/backends`)).json.backends[0].inFlight as number

test('256 MiB pass each way, past sides that are slower, in flat memory', async () => {
  const chunk = Buffer.alloc(MB, 'x')
  const [backend, gateway] = await pair((request, response) => {
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
  }, {})
  await call(`${gateway.url}/`, { method: 'POST', body: 'warm' })
  const before = memoryOf(gateway)
  const stop = watch(gateway)

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
  assert.equal(await inFlight(gateway), 0)
})

test('2,000 slow clients end at their limits, hold no lease longer than they must, and take little memory', async () => {
  // More than the kernel takes for a client that does not read.
  const answer = Buffer.alloc(32 * MB, 'x')
  const [backend, gateway] = await pair(
    (request, response) => {
      request.resume()
      request.once('end', () => response.end(answer))
    },
    // A busy machine must not make it shed them, nor a short answer leave a connection open.
    { HEADERS_TIMEOUT: '3000', BODY_TIMEOUT: '3000', KEEP_ALIVE_TIMEOUT: '3000', MAX_EVENT_LOOP_DELAY: '0' },
  )
  const port = Number(new URL(gateway.url).port)
  const begin = (count: number, text: string): Socket[] =>
    Array.from({ length: count }, () => {
      const socket = connect(port, '127.0.0.1').on('error', () => {})
      socket.write(text)
      return socket
    })
  await call(gateway.url)
  const before = memoryOf(gateway)
  const stop = watch(gateway)

  const trickling = begin(650, 'GET / HTTP/1.1\r\nHost: a\r\nX: ')
  const stalling = begin(650, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx')
  const silent = begin(600, '')
  const deaf = begin(100, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const trickle = setInterval(() => {
    for (const socket of trickling) if (socket.writable) socket.write('y')
  }, 300)
  const closed = [...trickling, ...stalling, ...silent].map((socket) => {
    socket.resume()
    return new Promise((resolve) => socket.once('close', resolve))
  })
  await Promise.all(closed)
  clearInterval(trickle)
  while ((await inFlight(gateway)) > 0) await sleep(50)
  // They were given up by now: what they get is what was on its way, and no more.
  for (const socket of deaf) {
    let received = 0
    socket.on('data', (chunk) => {
      received += chunk.length
    })
    if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
    assert.ok(received < answer.length)
  }
  const most = stop()
  if (before !== undefined) assert.ok(most - before < 250, `from ${before} to ${most} MB`)
  await backend.untilOpen(0)
  const { status } = await call(gateway.url, { method: 'HEAD' })
  assert.equal(status, 200)
})
