import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { answering, deadUrl, holding, TestBackend } from '../support/backend.js'
import { call } from '../support/client.js'
import { type Gateway, noPassiveHealth, openGateway } from '../support/gateway.js'
import { startGateway } from '../support/process.js'
import { bodyOf, RawBackend, type Script } from '../support/raw.js'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

async function opened(t: TestContext, backends: (string | { url: string })[], env?: Record<string, string>) {
  const gateway = await openGateway(backends, { ...noPassiveHealth, ...env })
  t.after(() => gateway.close())
  return gateway
}

async function raw(t: TestContext, script: Script): Promise<RawBackend> {
  const backend = await new RawBackend(script).listen()
  t.after(() => backend.close())
  return backend
}

async function good(t: TestContext): Promise<TestBackend> {
  const backend = await answering()
  t.after(() => backend.close())
  return backend
}

/** [total, failed] of each backend. */
const counts = ({ balancer }: Gateway) =>
  balancer.registry.list().map(({ leases }) => [leases.total, leases.failed])

const reset: Script = (socket) => socket.resetAndDestroy()

test('a backend that refuses connections costs no client an error, whatever the method', async (t) => {
  const alive = await good(t)
  const gateway = await opened(t, [deadUrl(), alive], { RETRY_BUDGET: '0' })
  for (let i = 0; i < 60; i++) {
    const method = (['GET', 'POST', 'PATCH', 'HEAD'] as const)[i % 4] as 'GET'
    const reply = await call(gateway.url, { method, ...(i % 4 === 1 && { body: 'x' }) })
    assert.equal(reply.status, 200, method)
  }
  assert.equal(alive.total, 60)
  const [[tries, failed] = []] = counts(gateway)
  assert.ok((tries as number) > 0 && tries === failed, 'each try had a lease of its own')
  await gateway.settled()
})

test('nobody sees an error while one backend of many can be reached, whatever the method', async (t) => {
  const alive = await good(t)
  const backends = [...Array.from({ length: 12 }, deadUrl), alive.url]
  const gateway = await opened(t, backends, { RETRY_BUDGET: '0', POLICY: 'round-robin' })
  for (let i = 0; i < 39; i++) {
    const method = (['GET', 'POST', 'PATCH'] as const)[i % 3] as 'GET'
    const reply = await call(gateway.url, { method, ...(i % 3 > 0 && { body: 'x' }) })
    assert.equal(reply.status, 200, method)
  }
  assert.equal(alive.total, 39)
  await gateway.settled()
})

test('a try that reached nobody leaves the tries that RETRIES grants', async (t) => {
  const [bad, alive] = [await raw(t, reset), await good(t)]
  const gateway = await opened(t, [deadUrl(), deadUrl(), bad, deadUrl(), alive], { POLICY: 'round-robin' })
  for (let i = 0; i < 10; i++) assert.equal((await call(gateway.url)).status, 200)
  assert.ok(bad.requests.length > 0)
  assert.ok(gateway.balancer.view().retries > 10)
})

test('half of the backends die at once under a load of POSTs: what reached none of them is answered', async (t) => {
  const backends = await Promise.all(Array.from({ length: 6 }, () => answering(20)))
  for (const backend of backends) {
    // Nothing is kept: a POST on a connection that dies with its backend may have reached it.
    backend.server.keepAliveTimeout = 1
    backend.server.on('request', (_request, response) => response.setHeader('connection', 'close'))
    t.after(() => backend.close())
  }
  const gateway = await openGateway(backends)
  t.after(() => gateway.close())
  const statuses: number[] = []
  const post = async () => statuses.push((await call(gateway.url, { method: 'POST', body: 'x' })).status)
  await Promise.all(Array.from({ length: 30 }, post))
  await gateway.settled()
  await Promise.all(backends.slice(0, 3).map((backend) => backend.close()))
  for (let round = 0; round < 10; round++) await Promise.all(Array.from({ length: 8 }, post))
  assert.deepEqual(new Set(statuses), new Set([200]))
  await gateway.settled()
})

test('a client that leaves ends the search, and so does the time that it waits for a response', async (t) => {
  // They take connections and say nothing of TLS.
  const silent = await Promise.all(Array.from({ length: 4 }, () => raw(t, () => {})))
  const urls = silent.map(({ url }) => url.replace('http', 'https'))
  const tried = (gateway: Gateway) =>
    gateway.balancer.registry.list().filter(({ leases }) => leases.total > 0).length
  const all = await opened(t, urls, { CONNECT_TIMEOUT: '20', RESPONSE_TIMEOUT: '60000' })
  assert.equal((await call(all.url)).status, 504)
  assert.equal(tried(all), 4)
  const short = await opened(t, urls, { CONNECT_TIMEOUT: '50', RESPONSE_TIMEOUT: '40' })
  assert.equal((await call(short.url)).status, 504)
  assert.equal(tried(short), 1)
  const left = await opened(t, urls, { CONNECT_TIMEOUT: '60000' })
  const leaving = new AbortController()
  const gone = call(left.url, { signal: leaving.signal })
  while (tried(left) === 0) await new Promise(setImmediate)
  leaving.abort()
  await assert.rejects(gone)
  await left.settled()
  assert.equal(tried(left), 1)
})

test('a large pool that is down as a whole is not tried to its end for each request', async (t) => {
  const gateway = await opened(t, Array.from({ length: 60 }, deadUrl), { RETRY_BUDGET: '0' })
  assert.equal((await call(gateway.url, { method: 'POST' })).status, 502)
  const tries = () => counts(gateway).reduce((sum, [total = 0]) => sum + total, 0)
  assert.equal(tries(), 21)
  const budgeted = await opened(t, Array.from({ length: 25 }, deadUrl), { RETRY_BUDGET: '20' })
  assert.equal((await call(budgeted.url, { method: 'POST' })).status, 502)
  assert.equal(
    counts(budgeted).reduce((sum, [total = 0]) => sum + total, 0),
    25,
  )
})

test('5 MB that were not read yet reach the next backend whole', async (t) => {
  const bytes = await new TestBackend((request, response) => {
    let seen = 0
    request.on('data', (chunk: Buffer) => {
      seen += chunk.length
    })
    request.on('end', () => response.end(String(seen)))
  }).listen()
  t.after(() => bytes.close())
  const gateway = await opened(t, [deadUrl(), bytes])
  const chunk = Buffer.alloc(50_000, 'x')
  for (let i = 0; i < 4; i++) {
    const body = Readable.from(Array(100).fill(chunk))
    assert.equal((await call(gateway.url, { method: 'POST', body })).text, '5000000')
  }
  assert.ok((counts(gateway)[0]?.[1] as number) > 0)
})

test('the next backend sees its own Host, where that is the rule', async (t) => {
  const alive = await good(t)
  const gateway = await opened(t, [deadUrl(), alive], { HOST_HEADER: 'backend' })
  for (let i = 0; i < 4; i++) await call(gateway.url)
  assert.deepEqual(new Set(alive.seen.map(({ headers }) => headers.host)), new Set([new URL(alive.url).host]))
})

test('after a reset, what may be repeated goes to another backend, and what may not is 502', async (t) => {
  const [bad, alive] = [await raw(t, reset), await good(t)]
  const gateway = await opened(t, [bad, alive], { POLICY: 'round-robin' })
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'] as const) {
    for (let i = 0; i < 2; i++) assert.equal((await call(gateway.url, { method })).status, 200, method)
  }
  assert.ok(bad.requests.length >= 5)
  let errors = 0
  for (const method of ['POST', 'PATCH'] as const) {
    const before = [bad.requests.length, alive.total]
    for (let i = 0; i < 2; i++) {
      const { status, text } = await call(gateway.url, { method })
      if (status === 200) continue
      errors++
      assert.deepEqual([status, JSON.parse(text).code], [502, 'LEASTWISE_BAD_GATEWAY'])
    }
    assert.deepEqual(
      [bad.requests.length, alive.total],
      [(before[0] as number) + 1, (before[1] as number) + 1],
    )
  }
  assert.equal(errors, 2)
})

test('a PUT whose body was sent is not sent again', async (t) => {
  const [bad, alive] = [await raw(t, reset), await good(t)]
  const gateway = await opened(t, [bad, alive], { POLICY: 'round-robin' })
  const statuses: number[] = []
  for (let i = 0; i < 4; i++) statuses.push((await call(gateway.url, { method: 'PUT', body: 'once' })).status)
  assert.deepEqual(statuses.sort(), [200, 200, 502, 502])
  assert.deepEqual([bad.requests.length, alive.total], [2, 2])
})

test('nothing is repeated once the client has seen a byte of the response', async (t) => {
  const bad = await raw(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf', () => socket.destroy())
  })
  const alive = await good(t)
  const gateway = await opened(t, [bad, alive], { POLICY: 'round-robin' })
  const outcomes: string[] = []
  for (let i = 0; i < 4; i++)
    outcomes.push(
      await call(gateway.url).then(
        ({ text }) => text,
        () => 'cut',
      ),
    )
  assert.deepEqual(outcomes.sort(), ['cut', 'cut', 'ok', 'ok'])
  assert.deepEqual([bad.requests.length, alive.total], [2, 2])
})

test("a backend's own 503 is a response, and is not repeated", async (t) => {
  const sorry = await raw(t, 'HTTP/1.1 503 Sorry\r\nContent-Length: 4\r\n\r\nbusy')
  const gateway = await opened(t, [sorry, await good(t)], { POLICY: 'round-robin' })
  const texts = [(await call(gateway.url)).text, (await call(gateway.url)).text]
  assert.deepEqual(texts.sort(), ['busy', 'ok'])
})

test('RETRIES is how many others are tried, each once, and 0 is none', async (t) => {
  const dead = [deadUrl(), deadUrl(), deadUrl()]
  const resetting = [await raw(t, reset), await raw(t, reset), await raw(t, reset)]
  for (const [retries, backends, tries] of [
    ['0', resetting, 1],
    ['1', resetting, 2],
    ['2', resetting, 3],
    ['9', resetting, 3],
    // Those that cannot be reached do not count; but who wants none gets none.
    ['0', dead, 1],
    ['1', dead, 3],
    ['9', dead, 3],
  ] as const) {
    const gateway = await opened(t, [...backends], { RETRIES: retries })
    assert.equal((await call(gateway.url)).status, 502)
    const seen = counts(gateway)
    assert.equal(
      seen.reduce((sum, [total = 0]) => sum + total, 0),
      tries,
      retries,
    )
    assert.ok(
      seen.every(([total = 0]) => total <= 1),
      'never the same backend while another is there',
    )
  }
})

test('RETRY_BUDGET keeps what backends are asked for below a share of the requests', async (t) => {
  const bad = [await raw(t, reset), await raw(t, reset)]
  const gateway = await opened(t, bad, { RETRY_BUDGET: '10' })
  for (let i = 0; i < 200; i++) assert.equal((await call(gateway.url)).status, 502)
  const asked = bad.reduce((sum, { requests }) => sum + requests.length, 0)
  // A tenth of the requests, and the reserve of ten.
  assert.ok(asked > 200 && asked <= 200 + 20 + 10, `${asked}`)
  const none = await opened(t, bad, { RETRY_BUDGET: '0' })
  for (let i = 0; i < 5; i++) await call(none.url)
  assert.equal(
    bad.reduce((sum, { requests }) => sum + requests.length, 0),
    asked + 5,
  )
})

test('a silent backend is 504 when the time is up, and is not followed by another', async (t) => {
  const [silent, other] = [await holding(), await holding()]
  t.after(() => Promise.all([silent.close(), other.close()]))
  const gateway = await opened(t, [silent, other], { RESPONSE_TIMEOUT: '100' })
  const { status, text } = await call(gateway.url)
  assert.deepEqual([status, JSON.parse(text).code], [504, 'LEASTWISE_GATEWAY_TIMEOUT'])
  assert.equal(silent.total + other.total, 1)
})

test('a backend that does not accept in time is passed over', async (t) => {
  // It takes connections and says nothing of TLS.
  const silent = await raw(t, () => {})
  const gateway = await opened(t, [silent.url.replace('http', 'https'), await good(t)], {
    CONNECT_TIMEOUT: '100',
    POLICY: 'round-robin',
  })
  for (const method of ['GET', 'POST', 'GET', 'POST'] as const) {
    assert.equal((await call(gateway.url, { method })).status, 200)
  }
  assert.ok((counts(gateway)[0]?.[1] as number) >= 2)
  const alone = await opened(t, [silent.url.replace('http', 'https')], { CONNECT_TIMEOUT: '100' })
  assert.equal((await call(alone.url)).status, 504)
})

test('a request whose backend is removed by force is answered by another, if it may be repeated', async (t) => {
  const [going, staying] = [await holding(), await holding()]
  t.after(() => Promise.all([going.close(), staying.close()]))
  const gateway = await opened(t, [going, staying], { POLICY: 'round-robin' })
  const answers = Promise.all([call(gateway.url), call(gateway.url)])
  await Promise.all([going.untilOpen(1), staying.untilOpen(1)])
  gateway.balancer.registry.remove(gateway.backend(0).id, { force: true })
  await staying.untilOpen(2)
  staying.release()
  assert.deepEqual(
    (await answers).map(({ text }) => text),
    ['held', 'held'],
  )
})

/** Answers the first request on each connection, and resets the connection at the second. */
function stale(): { script: Script; posts: string[] } {
  const served = new WeakSet<object>()
  const posts: string[] = []
  return {
    posts,
    script(socket, request) {
      if (request.startsWith('POST')) posts.push(bodyOf(request))
      if (served.has(socket)) socket.resetAndDestroy()
      else socket.write(OK)
      served.add(socket)
    },
  }
}

test('a connection that its backend closes as it is used again costs no error, with one backend too', async (t) => {
  const backend = await raw(t, stale().script)
  const gateway = await opened(t, [backend], { RETRY_BUDGET: '0' })
  for (let i = 0; i < 40; i++) {
    const method = (['GET', 'HEAD', 'DELETE'] as const)[i % 3] as 'GET'
    assert.equal((await call(gateway.url, { method })).status, 200, `${method} ${i}`)
  }
  await gateway.settled()
  assert.ok(backend.requests.length > 50, 'and it happened')
})

test('408 for an idle connection is not taken for the response, if the request may be repeated', async (t) => {
  const served = new WeakSet<object>()
  const timeout = (connection: string) =>
    `HTTP/1.1 408 Request Timeout\r\nConnection: ${connection}\r\nContent-Length: 0\r\n\r\n`
  let notice = timeout('close')
  const backend = await raw(t, (socket) => {
    socket.write(served.has(socket) ? notice : OK)
    served.add(socket)
  })
  const gateway = await opened(t, [backend], { RETRY_BUDGET: '0' })
  for (const method of ['GET', 'GET', 'PUT'] as const) {
    const body = method === 'PUT' ? { body: 'x' } : {}
    assert.equal((await call(gateway.url, { method, ...body })).status, 200, method)
  }
  assert.deepEqual([backend.requests.length, backend.connections], [5, 3])
  assert.deepEqual(counts(gateway), [[5, 0]])
  assert.equal((await call(gateway.url, { method: 'POST', body: 'x' })).status, 408)
  assert.equal(backend.requests.length, 6)
  notice = timeout('keep-alive')
  assert.equal((await call(gateway.url)).status, 200)
  assert.equal((await call(gateway.url)).status, 408)
  assert.equal(backend.requests.length, 8)
  await gateway.settled()
})

test('408 on a new connection is the response', async (t) => {
  const backend = await raw(
    t,
    'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
  )
  const gateway = await opened(t, [backend], { RETRY_BUDGET: '0' })
  for (let i = 0; i < 2; i++) assert.equal((await call(gateway.url)).status, 408)
  assert.equal(backend.requests.length, 2)
})

test('what is wrong with a response is not blamed on the connection', async (t) => {
  let answers = 0
  const backend = await raw(t, (socket) => socket.write(++answers === 1 ? OK : 'garbage\r\n\r\n'))
  const gateway = await opened(t, [backend], { RETRY_BUDGET: '0' })
  assert.equal((await call(gateway.url)).status, 200)
  assert.equal((await call(gateway.url)).status, 502)
  assert.equal(answers, 2)
})

test('no POST is doubled on such a connection', async (t) => {
  const { script, posts } = stale()
  const backend = await raw(t, script)
  const gateway = await opened(t, [backend])
  let answered = 0
  for (let i = 0; i < 20; i++) {
    const { status } = await call(gateway.url, { method: 'POST', body: `order ${i}` })
    if (status === 200) answered++
  }
  assert.equal(new Set(posts).size, posts.length)
  assert.equal(posts.length, 20)
  assert.ok(answered >= 10)
})

test('a connection that was closed while nobody used it is not used for a POST', async (t) => {
  const backend = await raw(t, (socket) => {
    socket.write(OK)
    setImmediate(() => socket.end())
  })
  const gateway = await opened(t, [backend])
  for (let i = 0; i < 20; i++) {
    assert.equal((await call(gateway.url, { method: 'POST', body: 'x' })).status, 200)
    await backend.until(({ sockets }) => sockets.size === 0)
  }
})

test('the log line says how many were tried', async (t) => {
  const alive = await good(t)
  const gateway = await startGateway({ BACKENDS: `${deadUrl()};id=dead,${alive.url};id=alive` })
  t.after(() => gateway.stop('SIGKILL'))
  for (let i = 0; i < 3; i++) await call(gateway.url)
  await gateway.stop()
  const lines = gateway.lines.filter(({ msg }) => msg === 'request')
  assert.deepEqual(new Set(lines.map(({ backend }) => backend)), new Set(['alive']))
  assert.ok(lines.some(({ attempts }) => attempts === 2))
  assert.equal(lines.length, 3)
})

test('a response that RETRY_STATUS names is asked of another backend, as far as nothing is lost by it', async (t) => {
  const sick = await new TestBackend((request, response) => {
    request.resume().once('end', () => response.writeHead(503, { 'x-from': 'sick' }).end('sick'))
  }).listen()
  t.after(() => sick.close())
  const well = await good(t)
  const gateway = await opened(t, [sick, well], {
    POLICY: 'round-robin',
    RETRY_STATUS: '502-504',
    RETRY_BUDGET: '100',
  })
  for (let i = 0; i < 20; i++) {
    const reply = await call(gateway.url)
    assert.deepEqual([reply.status, reply.text, reply.headers['x-from']], [200, 'ok', undefined])
    assert.equal((await call(gateway.url, { method: 'HEAD' })).status, 200)
  }
  assert.ok(sick.total >= 19, `${sick.total}`)
  const [[, failed] = []] = counts(gateway)
  assert.equal(failed, sick.total)
  // What may not be repeated is answered as it is.
  const posts = []
  for (let i = 0; i < 4; i++) posts.push((await call(gateway.url, { method: 'POST', body: 'x' })).status)
  for (let i = 0; i < 4; i++) posts.push((await call(gateway.url, { method: 'PUT', body: 'x' })).status)
  assert.deepEqual(posts.sort(), [200, 200, 200, 200, 503, 503, 503, 503])
  // And where there is nobody else.
  gateway.balancer.registry.drain(gateway.backend(1).id)
  assert.deepEqual((await call(gateway.url)).text, 'sick')
  await gateway.settled()
})

test('RETRY_STATUS: the last response is passed on, and tries are within the budget', async (t) => {
  const both = [0, 1].map(() =>
    new TestBackend((_request, response) => response.writeHead(502).end('bad')).listen(),
  )
  const backends = await Promise.all(both)
  for (const backend of backends) t.after(() => backend.close())
  const gateway = await opened(t, backends, { RETRY_STATUS: '500-599', RETRY_BUDGET: '10' })
  for (let i = 0; i < 100; i++) {
    const reply = await call(gateway.url)
    assert.deepEqual([reply.status, reply.text], [502, 'bad'])
  }
  const total = backends.reduce((sum, backend) => sum + backend.total, 0)
  assert.ok(total > 100 && total <= 120, `${total}`)
})
