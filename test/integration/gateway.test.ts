import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request as httpRequest } from 'node:http'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { answering, holding, TestBackend } from '../support/backend.js'
import { spawn } from '../support/children.js'
import { call, callJson, load } from '../support/client.js'
import {
  freePort,
  type GatewayProcess,
  root,
  runServer,
  spawnServer,
  startGateway,
} from '../support/process.js'

const open: { close(): Promise<unknown> }[] = []
after(() => Promise.all(open.map((thing) => thing.close())))

async function started(env: Record<string, string>): Promise<GatewayProcess> {
  const gateway = await startGateway(env)
  open.push({ close: () => gateway.stop('SIGKILL') })
  return gateway
}

async function backend(delay = 0): Promise<TestBackend> {
  const made = await answering(delay)
  open.push(made)
  return made
}

const sum = (backends: TestBackend[]) => backends.reduce((total, { total: one }) => total + one, 0)

test('3,000 requests, 24 at a time, over two fast backends and one 40 times slower: the slow one gets under 5 %', async () => {
  const [fast, other, slow] = [await backend(20), await backend(20), await backend(800)]
  const gateway = await started({ BACKENDS: [fast.url, other.url, slow.url].join(), LOG_LEVEL: 'info' })
  const statuses = await load(gateway.url, { total: 3000, concurrency: 24 })
  assert.deepEqual([...statuses], [[200, 3000]])
  assert.equal(sum([fast, other, slow]), 3000)
  assert.ok(slow.total < 150, `the slow backend got ${slow.total}`)
  assert.ok(Math.abs(fast.total - other.total) < 300, `${fast.total} and ${other.total}`)
  const { json } = await callJson('GET', `${gateway.admin}/backends`)
  for (const [i, { total, inFlight, failed, latency }] of json.backends.entries()) {
    assert.ok(latency.ewma > 0 && latency.p50 > 0 && latency.p99 >= latency.p50, JSON.stringify(latency))
    assert.deepEqual([total, inFlight, failed], [[fast, other, slow][i]?.total, 0, 0])
  }
})

test('a backend’s whole life under load loses no request', async () => {
  const [stays, lives] = [await backend(3), await backend(3)]
  const gateway = await started({ BACKENDS: `${stays.url};id=stays` })
  const admin = (method: string, path: string, body?: unknown) => callJson(method, gateway.admin + path, body)
  const inFlight = async () => (await admin('GET', '/backends/lives')).json?.inFlight as number

  const steps = new Map<number, () => Promise<void>>()
  let seenWhileDraining = 0
  steps.set(100, async () => {
    assert.equal((await admin('POST', '/backends', { url: lives.url, id: 'lives' })).status, 201)
  })
  steps.set(250, async () => {
    const { json } = await admin('PATCH', '/backends/lives', { weight: 3, maxConnections: 50 })
    assert.deepEqual([json.weight, json.maxConnections], [3, 50])
  })
  steps.set(400, async () => {
    assert.ok(lives.total > 0, 'it had requests before the drain')
    assert.equal((await admin('POST', '/backends/lives/drain')).status, 202)
    // What was sent before the drain may still arrive.
    while ((await inFlight()) > 0);
    seenWhileDraining = lives.total
  })
  steps.set(550, async () => {
    assert.equal(lives.total, seenWhileDraining, 'not one new request')
    assert.equal((await admin('POST', '/backends/lives/activate')).json.state, 'active')
  })
  steps.set(700, async () => {
    assert.ok(lives.total > seenWhileDraining, 'it has requests again')
    assert.equal((await admin('DELETE', '/backends/lives')).status, 202)
    while ((await admin('GET', '/backends/lives')).status !== 404);
    assert.equal((await admin('POST', '/backends', { url: lives.url, id: 'again' })).status, 201)
  })
  steps.set(800, async () => {
    // A forced removal cuts what is in flight; what loses no request is to drain first.
    await admin('POST', '/backends/again/drain')
    while ((await admin('GET', '/backends/again')).json.inFlight > 0);
    assert.equal((await admin('DELETE', '/backends/again?force=true')).status, 204)
  })
  const running: Promise<void>[] = []
  let last = Promise.resolve()
  const statuses = await load(gateway.url, {
    total: 900,
    concurrency: 8,
    onDone(done) {
      const step = steps.get(done)
      if (!step) return
      last = last.then(step)
      running.push(last)
    },
  })
  await Promise.all(running)
  assert.equal(running.length, 6, 'every step was taken')
  assert.deepEqual([...statuses], [[200, 900]])
  assert.equal(stays.total + lives.total, 900)
  const { json } = await admin('GET', '/backends')
  assert.deepEqual(
    json.backends.map(({ id, inFlight }: { id: string; inFlight: number }) => [id, inFlight]),
    [['stays', 0]],
  )
})

test('the policy is switched under load without losing a request', async () => {
  const two = [await backend(2), await backend(2)]
  const gateway = await started({ BACKENDS: two.map(({ url }) => url).join() })
  const switches: Promise<unknown>[] = []
  const statuses = await load(gateway.url, {
    total: 1000,
    concurrency: 10,
    onDone(done) {
      if (done % 100 !== 0) return
      const policy = done % 200 === 0 ? 'least-connections' : 'round-robin'
      switches.push(callJson('PUT', `${gateway.admin}/policy`, { policy }))
    },
  })
  await Promise.all(switches)
  assert.deepEqual([...statuses], [[200, 1000]])
  const { json } = await callJson('GET', `${gateway.admin}/backends`)
  assert.deepEqual(
    json.backends.map(({ inFlight }: { inFlight: number }) => inFlight),
    [0, 0],
  )
})

test('one line for each request, and none when silent', async () => {
  const one = await backend()
  const gateway = await started({ BACKENDS: `${one.url};id=one` })
  await call(`${gateway.url}/path?q=1`)
  await callJson('POST', `${gateway.admin}/backends/one/drain`)
  await call(gateway.url)
  await gateway.stop()
  assert.deepEqual(
    gateway.lines.filter(({ level }) => (level as number) > 30),
    [],
    'no warning where nothing is wrong',
  )
  const requests = gateway.lines.filter(({ msg }) => msg === 'request')
  assert.equal(requests.length, 2)
  const {
    method,
    path,
    statusCode,
    backend: id,
    policy,
    inFlight,
    attempts,
    responseTime,
  } = requests[0] ?? {}
  assert.deepEqual(
    [method, path, statusCode, id, policy, inFlight, attempts],
    ['GET', '/path', 200, 'one', 'least-connections', 1, 1],
  )
  assert.equal(typeof responseTime, 'number')
  assert.deepEqual([requests[1]?.statusCode, requests[1]?.backend, requests[1]?.attempts], [503, null, 0])
  assert.ok(
    gateway.lines.some(({ msg, backend: drained }) => msg === 'backend draining' && drained === 'one'),
  )
})

test('a client that leaves is a line, not an error', async () => {
  const held = await holding()
  open.push(held)
  const gateway = await started({ BACKENDS: `${held.url};id=one` })
  const request = httpRequest(gateway.url)
    .on('error', () => {})
    .end()
  await held.untilOpen(1)
  request.destroy()
  await held.untilOpen(0)
  await gateway.stop()
  const about = gateway.lines.filter(({ reqId }) => reqId !== undefined)
  assert.deepEqual(
    about.map(({ level, msg, statusCode, aborted, backend: id }) => [level, msg, statusCode, aborted, id]),
    [[30, 'request', null, true, 'one']],
  )
})

/** Whether connections are accepted. */
function accepts(url: string): Promise<boolean> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  return new Promise((resolve, reject) => {
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') resolve(false)
      else reject(error)
    })
  })
}

test('SIGTERM: readiness fails first, requests in flight finish, exit code 0', async () => {
  const held = await holding()
  open.push(held)
  const gateway = await started({ BACKENDS: held.url })
  const agent = new Agent({ keepAlive: true })
  const request = httpRequest(gateway.url, { agent }).end()
  await held.untilOpen(1)
  assert.equal((await call(`${gateway.admin}/readyz`)).status, 200)
  const exit = once(gateway.child, 'exit')
  gateway.child.kill('SIGTERM')
  let ready = await call(`${gateway.admin}/readyz`)
  while (ready.status === 200) ready = await call(`${gateway.admin}/readyz`)
  assert.deepEqual([ready.status, JSON.parse(ready.text).message], [503, 'shutting down'])
  assert.equal((await call(`${gateway.admin}/livez`)).status, 200)
  // No new connections, as soon as those are accepted that were being made.
  while (await accepts(gateway.url));
  held.release()
  const [response] = await once(request, 'response')
  assert.deepEqual([response.statusCode, response.headers.connection], [200, 'close'])
  response.resume()
  assert.deepEqual(await exit, [0, null])
})

test('requests that come on an open connection during a shutdown are answered, too', async () => {
  const held = await holding()
  open.push(held)
  const gateway = await started({ BACKENDS: held.url })
  const exit = once(gateway.child, 'exit')
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1').setEncoding('utf8')
  socket.write('GET /1 HTTP/1.1\r\nhost: a\r\n\r\n')
  await held.untilOpen(1)
  gateway.child.kill('SIGTERM')
  while ((await call(`${gateway.admin}/readyz`)).status === 200);
  socket.write('GET /2 HTTP/1.1\r\nhost: a\r\n\r\n')
  await held.untilOpen(2)
  held.release()
  const answers = (await socket.toArray()).join('')
  assert.deepEqual(answers.match(/HTTP\/1.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 200'])
  assert.deepEqual(await exit, [0, null])
})

test('DRAIN_TIMEOUT is how long a drain waits', async () => {
  const held = await holding()
  open.push(held)
  const gateway = await started({ BACKENDS: `${held.url};id=one`, DRAIN_TIMEOUT: '0' })
  const request = call(gateway.url)
  await held.untilOpen(1)
  await callJson('POST', `${gateway.admin}/backends/one/drain`)
  assert.equal((await request).status, 502)
  await held.untilOpen(0)
})

test('SIGINT under load loses no request that was accepted', async () => {
  const one = await backend(5)
  const gateway = await started({ BACKENDS: one.url })
  const exit = once(gateway.child, 'exit')
  const statuses = await load(gateway.url, {
    total: 600,
    concurrency: 10,
    onDone: (done) => done === 300 && gateway.child.kill('SIGINT'),
  })
  assert.deepEqual(await exit, [0, null])
  // After the signal connections are refused (0); what reached a backend was answered.
  assert.deepEqual([...statuses.keys()].sort(), [0, 200])
  assert.equal(statuses.get(200), one.total)
})

test('what does not finish in SHUTDOWN_TIMEOUT is cut, exit code 1', async () => {
  const held = await holding()
  open.push(held)
  const gateway = await started({ BACKENDS: held.url, SHUTDOWN_TIMEOUT: '200' })
  const request = call(gateway.url)
  request.catch(() => {})
  await held.untilOpen(1)
  assert.equal(await gateway.stop('SIGTERM'), 1)
  const { status, text } = await request
  assert.deepEqual([status, JSON.parse(text).code], [503, 'LEASTWISE_STOPPED'])
  await held.untilOpen(0)
})

test('an answer that a client still reads when time is up was cut, too', async () => {
  const large = await new TestBackend((_request, response) => response.end('x'.repeat(32_000_000))).listen()
  open.push(large)
  const gateway = await started({ BACKENDS: `${large.url};id=one`, SHUTDOWN_TIMEOUT: '200' })
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1').on('error', () => {})
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await once(socket, 'readable')
  assert.equal(await gateway.stop('SIGTERM'), 1)
  socket.destroy()
})

test('overload sheds proxied requests; the admin API answers meanwhile', async () => {
  const one = await backend()
  const gateway = await started({ BACKENDS: `${one.url};id=one`, MAX_HEAP_BYTES: '1' })
  let shed = await call(gateway.url)
  while (shed.status === 200) shed = await call(gateway.url)
  assert.deepEqual([shed.status, JSON.parse(shed.text).code], [503, 'LEASTWISE_OVERLOADED'])
  assert.ok(shed.headers['retry-after'])
  const { status, json } = await callJson('GET', `${gateway.admin}/backends/one`)
  assert.deepEqual([status, json.total], [200, one.total])
})

test('a client that does not finish its head is cut after HEADERS_TIMEOUT', async () => {
  const gateway = await started({ HEADERS_TIMEOUT: '100' })
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n')
  const [answer] = await once(socket, 'data')
  assert.match(String(answer), /^HTTP\/1\.1 408 /)
  await once(socket, 'close')
})

test('whatever is refused, on either port, is refused in one shape', async () => {
  const gateway = await started({ HEADERS_TIMEOUT: '2000' })
  const raw = async (address: string, text: string) => {
    const socket = connect(Number(new URL(address).port), '127.0.0.1').on('error', () => {})
    socket.write(text)
    const answer = (await socket.setEncoding('utf8').toArray()).join('')
    const { statusCode, code, error, message } = JSON.parse(answer.split('\r\n\r\n')[1] as string)
    assert.ok(answer.startsWith(`HTTP/1.1 ${statusCode} ${error}\r\n`), answer)
    assert.equal(typeof message, 'string')
    return [statusCode, code]
  }
  const head = 'HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n'
  const cases: [string, [number, string]][] = [
    ['no request\r\n\r\n', [400, 'LEASTWISE_MALFORMED_REQUEST']],
    [`GET / ${head}x: ${'x'.repeat(20_000)}\r\n\r\n`, [431, 'LEASTWISE_HEAD_TOO_LARGE']],
    [`GET /%zz ${head}\r\n`, [400, 'LEASTWISE_INVALID_REQUEST']],
  ]
  for (const address of [gateway.url, gateway.admin]) {
    for (const [text, expected] of cases) assert.deepEqual(await raw(address, text), expected)
  }
  assert.deepEqual(await raw(gateway.url, `TRACE / ${head}\r\n`), [405, 'LEASTWISE_METHOD_NOT_ALLOWED'])
  assert.deepEqual(await raw(gateway.url, `CONNECT a:80 ${head}\r\n`), [405, 'LEASTWISE_METHOD_NOT_ALLOWED'])
  const long = `GET /backends/${'x'.repeat(200)} ${head}\r\n`
  assert.deepEqual(await raw(gateway.admin, long), [404, 'LEASTWISE_NOT_FOUND'])
})

// `test/integration/config.test.ts` has every variable.
test('a variable is refused by name: exit code 1 and one line', async () => {
  const wrong = { BACKENDS: 'x', POLICY: 'fastest', QUEUE_LIMIT: 'many', ADMIN_TOKEN: 'a b' }
  await Promise.all(
    Object.entries(wrong).map(async ([name, value]) => {
      const { code, stdout, stderr } = await runServer({ [name]: value })
      assert.deepEqual([code, stdout], [1, ''], name)
      assert.match(stderr, new RegExp(`^leastwise: ${name} [^\\n]*\\n$`))
    }),
  )
  const { code, stderr } = await runServer({ ADMIN_HOST: '0.0.0.0' })
  assert.equal(code, 1)
  assert.match(stderr, /^leastwise: ADMIN_TOKEN is required [^\n]*\n$/)
})

test('connections without a request do not hold up a shutdown', async () => {
  const gateway = await started({ SHUTDOWN_TIMEOUT: '60000' })
  const port = Number(new URL(gateway.url).port)
  const [silent, half] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
  for (const socket of [silent, half]) socket.on('error', () => {})
  half.write('GET / HTTP/1.1\r\nhost:')
  await Promise.all([once(silent, 'connect'), once(half, 'connect')])
  assert.equal(await gateway.stop(), 0)
})

test('a head may take longer than Node lets a request take', async () => {
  const gateway = await started({ HEADERS_TIMEOUT: '400000' })
  assert.equal((await call(gateway.url)).status, 503)
})

test('a port that is taken: exit code 1 and one line', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  for (const [name, other] of [
    ['PORT', 'ADMIN_PORT'],
    ['ADMIN_PORT', 'PORT'],
  ]) {
    const { code, stderr } = await runServer({
      [name as string]: String(port),
      [other as string]: '0',
      LOG_LEVEL: 'silent',
    })
    assert.equal(code, 1)
    assert.match(
      stderr,
      new RegExp(`^leastwise: ${name} cannot listen on 127\\.0\\.0\\.1:${port}: the address is in use\\n$`),
    )
  }
  server.close()
  const elsewhere = await runServer({ HOST: '192.0.2.1', PORT: '0', ADMIN_PORT: 'off', LOG_LEVEL: 'silent' })
  assert.match(
    elsewhere.stderr,
    /^leastwise: HOST cannot listen on 192\.0\.2\.1:0: this machine has no such address\n$/,
  )
})

test('.env is read, and the environment goes before it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'leastwise-'))
  writeFileSync(join(folder, '.env'), 'PORT=wrong\nPOLICY=wrong\n')
  const both = await runServer({}, folder)
  assert.match(both.stderr, /^leastwise: PORT does not accept "wrong"/)
  const one = await runServer({ PORT: '0' }, folder)
  assert.match(one.stderr, /^leastwise: POLICY does not accept "wrong"/)
  await rm(folder, { recursive: true })
})

test('silent logs nothing at all', async () => {
  const one = await backend()
  const port = await freePort()
  const child = spawnServer({ BACKENDS: one.url, PORT: String(port), ADMIN_PORT: 'off', LOG_LEVEL: 'silent' })
  while (
    !(await call(`http://127.0.0.1:${port}`).then(
      () => true,
      () => false,
    ))
  );
  child.process.kill('SIGTERM')
  assert.deepEqual(await child.ended, { code: 0, stdout: '', stderr: '' })
})

test('npm start passes SIGTERM on and ends with the code of the gateway', async () => {
  const held = await holding()
  open.push(held)
  const npm = spawn('npm', ['start'], {
    cwd: root,
    env: { ...process.env, PORT: '0', ADMIN_PORT: '0', BACKENDS: held.url },
    // What npm starts is in its group.
    detached: true,
  })
  const url = await new Promise<string>((resolve) => {
    createInterface({ input: npm.stdout }).on('line', (line) => {
      const address = [...line.matchAll(/Server listening at (http[^"]*)/g)].at(-1)?.[1]
      if (address) resolve(address)
    })
  })
  assert.ok(url)
  npm.kill('SIGTERM')
  assert.deepEqual(await once(npm, 'close'), [0, null])
})

test('ADMIN_PORT=off leaves traffic alone', async () => {
  const one = await backend()
  const gateway = await started({ BACKENDS: one.url, ADMIN_PORT: 'off' })
  assert.equal((await call(gateway.url)).text, 'ok')
  assert.equal(await gateway.stop(), 0)
})
