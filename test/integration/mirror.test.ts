import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { copyBudgetOf } from '../../src/proxy/mirror/copy-budget.js'
import { answering, type Handler, TestBackend } from '../support/backend.js'
import { call } from '../support/client.js'
import { openFileGateway } from '../support/file-gateway.js'
import { until } from '../support/until.js'

const BODY = Buffer.alloc(100 * 1024, 'copied ')

/** Answers with the hash of the body. */
const hashing: Handler = (request, response) => {
  const hash = createHash('sha256')
  request.on('data', (chunk) => hash.update(chunk)).once('end', () => response.end(hash.digest('hex')))
}
const HASH = createHash('sha256').update(BODY).digest('hex')

async function openMirrored(
  t: TestContext,
  shadow: string,
  mirror: Record<string, unknown> = {},
  settings: Record<string, unknown> = {},
) {
  const backend = await new TestBackend(hashing).listen()
  t.after(() => backend.close())
  const gateway = await openFileGateway(t, {
    pools: { users: { backends: [backend.url] }, shadow: { backends: [shadow], ...settings } },
    routes: [
      {
        name: 'all',
        match: { path: '/' },
        pool: 'users',
        mirror: { pool: 'shadow', maxBody: 200_000, ...mirror },
      },
    ],
  })
  const pool = gateway.pool('shadow')
  t.after(() => {
    const { copies, bytes } = copyBudgetOf(pool)
    assert.deepEqual([copies, bytes], [0, 0])
  })
  const counts = async () => {
    const page = await gateway.metrics()
    return ['sent', 'failed', 'dropped'].map((outcome) =>
      Number(
        new RegExp(`^leastwise_mirror_requests_total\\{.*"${outcome}".*\\} (\\d+)$`, 'm').exec(page)?.[1] ??
          0,
      ),
    )
  }
  /** Waits until so many copies are over. */
  const over = (count: number) => until(counts, (all) => all.reduce((sum, one) => sum + one, 0) >= count)
  return { backend, gateway, pool, counts, over, url: gateway.url }
}

async function received(t: TestContext, handler: Handler = hashing) {
  const bodies: Buffer[] = []
  const shadow = await new TestBackend((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk) => chunks.push(chunk)).once('end', () => bodies.push(Buffer.concat(chunks)))
    handler(request, response)
  }).listen()
  t.after(() => shadow.close())
  return { shadow, bodies }
}

const post = (url: string, body: Buffer | string = BODY) => call(url, { method: 'POST', body })

test('a copy has the path, the fields and the body of the request, and says that it is one', async (t) => {
  const { shadow, bodies } = await received(t)
  const { backend, url, over } = await openMirrored(t, shadow.url)
  assert.equal(
    (await call(`${url}/a?b=1`, { headers: { 'x-leastwise-mirror': '1', 'x-a': 'b' } })).status,
    200,
  )
  assert.equal((await post(`${url}/c`)).text, HASH)
  // A body in chunks.
  await call(`${url}/d`, {
    method: 'PUT',
    body: Readable.from(['some ', 'text']),
  })
  assert.deepEqual(await over(3), [3, 0, 0])
  const byUrl = (a: { url: string }, b: { url: string }) => (a.url < b.url ? -1 : 1)
  const [copies, requests] = [shadow.seen.sort(byUrl), backend.seen.sort(byUrl)]
  assert.deepEqual(
    copies.map((copy) => [copy.method, copy.url]),
    [
      ['GET', '/a?b=1'],
      ['POST', '/c'],
      ['PUT', '/d'],
    ],
  )
  assert.deepEqual(
    bodies.map(({ length }) => length).sort((a, b) => a - b),
    [0, 9, BODY.length],
  )
  for (const [i, copy] of copies.entries()) {
    const { 'x-leastwise-mirror': mark, ...fields } = copy.headers
    assert.equal(mark, '1')
    const request = requests[i]?.headers ?? {}
    if (i < 2) assert.deepEqual(fields, request)
    else assert.equal(fields['content-length'], '9')
    // A client cannot say that a request is a copy.
    assert.equal(request['x-leastwise-mirror'], undefined)
  }
})

test('what is not copied: larger bodies, bodies that are asked for, upgrades; and the part that is not to be', async (t) => {
  const { shadow } = await received(t)
  const { url, counts, over, gateway } = await openMirrored(t, shadow.url, { maxBody: 10 })
  assert.equal((await post(url, 'x'.repeat(11))).status, 200)
  const chunked = Readable.from(['x'.repeat(6), 'x'.repeat(6)])
  assert.equal((await call(url, { method: 'POST', body: chunked })).status, 200)
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write(
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n',
  )
  await once(socket, 'data')
  socket.end('ab')
  socket.resume()
  await once(socket, 'close')
  assert.deepEqual(await over(3), [0, 0, 3])
  await post(url, 'x'.repeat(10))
  assert.deepEqual(await over(4), [1, 0, 3])
  assert.equal(shadow.total, 1)
  const none = await openMirrored(t, shadow.url, { percent: 0 })
  await Promise.all(Array.from({ length: 20 }, () => call(none.url)))
  assert.deepEqual(await none.counts(), [0, 0, 0])
  assert.deepEqual(await counts(), [1, 0, 3])
  assert.equal(gateway.pool('shadow').registry.inFlight, 0)
})

test('a client that leaves in the middle of its body: no copy, and nothing is held', async (t) => {
  const { shadow } = await received(t)
  const { url, backend, over } = await openMirrored(t, shadow.url)
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf')
  await backend.untilOpen(1)
  socket.destroy()
  assert.deepEqual(await over(1), [0, 0, 1])
  assert.equal(shadow.total, 0)
})

/** Sends 200 requests with bodies at once, and checks that each is answered as if there was no mirror. */
async function answered(url: string): Promise<void> {
  const replies = await Promise.all(Array.from({ length: 200 }, () => post(url)))
  for (const { status, text } of replies) assert.deepEqual([status, text], [200, HASH])
}

test('a mirror that never answers: clients are answered, and copies end with the gateway', async (t) => {
  const { shadow } = await received(t, (request) => void request.resume())
  const { url, gateway, pool, counts } = await openMirrored(t, shadow.url)
  await answered(url)
  // Copies of these still hang, so that there is room for 56 more.
  await until(
    () => pool.registry.inFlight,
    (count) => count === 200,
  )
  assert.equal(copyBudgetOf(pool).bytes, 200 * BODY.length)
  await answered(url)
  await until(
    () => pool.registry.inFlight,
    (count) => count === 256,
  )
  assert.deepEqual(await until(counts, ([, , dropped]) => dropped === 144), [0, 0, 144])
  await gateway.close()
  assert.equal(pool.registry.inFlight, 0)
})

test('a mirror without room: nothing waits', async (t) => {
  const { shadow } = await received(t, (request) => void request.resume())
  const { url, pool, counts } = await openMirrored(t, shadow.url, {}, { maxConnections: 2 })
  await answered(url)
  assert.equal(pool.registry.inFlight, 2)
  assert.equal(pool.view().queue.length, 0)
  assert.deepEqual(await counts(), [0, 0, 198])
})

test('a mirror that refuses connections, or breaks them', async (t) => {
  const gone = await answering()
  const goneUrl = gone.url
  await gone.close()
  const { url, over, pool } = await openMirrored(t, goneUrl, {}, { ejectMaxPercent: 0, failureDecay: 0 })
  await answered(url)
  assert.deepEqual(await over(200), [0, 200, 0])
  assert.equal(pool.registry.list()[0]?.leases.failed, 200)
  const { shadow } = await received(t, (request) => void request.socket.destroy())
  const broken = await openMirrored(t, shadow.url, {}, { ejectMaxPercent: 0, failureDecay: 0 })
  await answered(broken.url)
  const [sent, failed] = await broken.over(200)
  assert.deepEqual([sent, failed], [0, 200])
})

test('a mirror whose answers are without end is read for a while', async (t) => {
  const server = createServer((_request, response) => {
    const write = () => {
      while (!response.destroyed && response.write(BODY));
    }
    response.on('drain', write)
    write()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close().closeAllConnections())
  const { url, over, pool } = await openMirrored(
    t,
    `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  )
  assert.equal((await call(url)).status, 200)
  assert.deepEqual(await over(1), [1, 0, 0])
  await until(
    () => pool.registry.inFlight,
    (count) => count === 0,
  )
})
