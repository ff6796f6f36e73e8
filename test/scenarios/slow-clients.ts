import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { TestBackend } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { memoryOf, watchMemory } from '../support/memory.js'
import { type GatewayProcess, startGateway } from '../support/process.js'
import { exchange } from '../support/raw.js'

const open: { close(): Promise<unknown> }[] = []
after(() => Promise.all(open.map((thing) => thing.close())))

const MB = 1024 * 1024
/** Clients that do not read: the kernel takes some megabytes for each, which a slow machine is long about. */
const DEAF = 20
/** Connections; Node's listeners keep 511. */
const ACCEPTED_AT_ONCE = 200

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

/** @param limit milliseconds after which a client that says nothing, or too little, is given up */
export function slowClients({ clients, limit }: { clients: number; limit: number }): void {
  test(`${clients} slow clients end at their limits, hold no lease longer than they must, and take little memory`, () =>
    tryPatience(clients, String(limit)))
}

/** Of each kind of client there is a third, besides the few that do not read. */
async function tryPatience(clients: number, limit: string): Promise<void> {
  // More than the kernel takes for a client that does not read.
  const answer = Buffer.alloc(32 * MB, 'x')
  const [backend, gateway] = await pair(
    (request, response) => {
      request.resume()
      request.once('end', () => response.end(answer))
    },
    // A short answer must not leave a connection open.
    { HEADERS_TIMEOUT: limit, BODY_TIMEOUT: limit, KEEP_ALIVE_TIMEOUT: limit },
  )
  const port = Number(new URL(gateway.url).port)
  /**
   * Not more at once than a listener keeps until it accepts them, or the kernel forgets some whose clients hold them for
   * made; and who says nothing is never told. Those before one that was answered have been accepted.
   */
  const begin = async (count: number, text: string): Promise<Socket[]> => {
    const sockets: Socket[] = []
    while (sockets.length < count) {
      for (let i = 0; i < ACCEPTED_AT_ONCE && sockets.length < count; i++) {
        const socket = connect(port, '127.0.0.1').on('error', () => {})
        socket.write(text)
        sockets.push(socket)
      }
      await exchange(gateway.url, 'HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    }
    return sockets
  }
  await call(gateway.url)
  const before = memoryOf(gateway)
  const stop = watchMemory(gateway)

  const third = Math.floor((clients - DEAF) / 3)
  const trickling = await begin(third, 'GET / HTTP/1.1\r\nHost: a\r\nX: ')
  const stalling = await begin(third, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx')
  const silent = await begin(third, '')
  const deaf = await begin(DEAF, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const trickle = setInterval(() => {
    for (const socket of trickling) if (socket.writable) socket.write('y')
  }, 300)
  const closed = [...trickling, ...stalling, ...silent].map((socket) => {
    socket.resume()
    return socket.closed || new Promise((resolve) => socket.once('close', resolve))
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
}
