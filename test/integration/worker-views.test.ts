import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { changing, status, TestBackend } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { parseExposition } from '../support/exposition.js'
import { root, startGateway } from '../support/process.js'
import { noSharedPort } from '../support/shared-port.js'
import { until } from '../support/until.js'

/** Ends the first worker of the gateway at a signal. */
const mortal = `
  import { isMainThread } from 'node:worker_threads'
  let first
  if (isMainThread) {
    process.on('worker', (worker) => (first ??= worker))
    process.on('SIGWINCH', () => first.terminate())
  }
`

test('what the admin API shows of several threads is what backends and clients saw, also after a thread ended', {
  skip: noSharedPort,
}, async (t) => {
  const held: (() => void)[] = []
  const answer = (code: number) =>
    new TestBackend((request, response) => {
      const end = () => response.writeHead(code).end('0123456789')
      if (request.url === '/hold') held.push(end)
      else end()
    }).listen()
  const [a, b] = await Promise.all([answer(200), answer(404)])
  const failing = await changing(status(500))
  const backends = { a, b, failing }
  const ids = Object.keys(backends) as (keyof typeof backends)[]
  t.after(() => Promise.all(Object.values(backends).map((backend) => backend.close())))
  const gateway = await startGateway(
    {
      WORKERS: '2',
      BACKENDS: Object.entries(backends)
        .map(([id, { url }]) => `${url};id=${id}`)
        .join(),
      SLOW_START: '0',
      RETRIES: '0',
      EJECT_MAX_PERCENT: '0',
      FAILURE_DECAY: '0',
    },
    [`--import=data:text/javascript,${encodeURIComponent(mortal)}`, join(root, 'dist/src/gateway/main.js')],
  )
  t.after(() => gateway.stop('SIGKILL'))

  /** Statuses that clients got, and how often. */
  const got = new Map<number, number>()
  // Each of these is a connection of its own, so that both threads have some of them.
  const fields = { connection: 'close' }
  const send = async (number: number) => {
    let left = number
    const client = async () => {
      while (left-- > 0) {
        const { status: code } = await call(gateway.url, { headers: fields, reset: true })
        got.set(code, (got.get(code) ?? 0) + 1)
      }
    }
    await Promise.all(Array.from({ length: 16 }, client))
  }
  const metrics = async () => parseExposition((await call(`${gateway.admin}/metrics`)).text)
  const get = async (path: string) => (await callJson('GET', `${gateway.admin}${path}`)).json
  const counted = (number: number) =>
    until(metrics, (page) => page.sum('leastwise_request_duration_seconds_count') === number)

  /** Compares everything with what backends and clients saw. @param cut requests that ended with their thread */
  const compare = async (number: number, cut = 0) => {
    const page = await counted(number)
    for (const [code, times] of got)
      assert.equal(page.sum('leastwise_requests_total', { code: `${`${code}`[0]}xx` }), times, `${code}`)
    assert.equal(page.sum('leastwise_requests_total'), number)
    assert.equal(page.sum('leastwise_response_body_bytes_total', { backend: 'a' }), 10 * (got.get(200) ?? 0))
    assert.equal(page.sum('leastwise_worker_requests_total'), number + cut)
    const { backends: views } = await get('/backends')
    for (const { id, total, inFlight } of views) {
      assert.equal(total, backends[id as keyof typeof backends].total, id)
      assert.equal(inFlight, 0)
    }
    const pool = await get('/pool')
    assert.equal(pool.requests, number + cut)
    assert.equal(pool.inFlight, 0)
    return page
  }

  await send(500)
  const page = await compare(500)
  for (const id of ids) {
    assert.equal(page.sum('leastwise_requests_total', { backend: id }), backends[id].total)
    assert.equal(page.sum('leastwise_backend_attempts_total', { backend: id }), backends[id].total)
  }
  for (const worker of ['0', '1']) assert.ok(page.sum('leastwise_worker_requests_total', { worker }) > 0)
  const { decisions } = await get('/decisions')
  assert.equal(new Set(decisions.map(({ request }: { request: string }) => request)).size, 500)
  const times = decisions.map(({ at }: { at: string }) => at)
  assert.deepEqual(times, times.toSorted().reverse())
  for (const id of ids) {
    const { decisions: own } = await get(`/decisions?backend=${id}`)
    assert.equal(own.length, backends[id].total)
  }
  const explained = await callJson('POST', `${gateway.admin}/explain`)
  assert.equal(explained.json.outcome, 'choice')

  // Some of these are in the thread that ends.
  const holding = Array.from({ length: 30 }, () =>
    call(`${gateway.url}/hold`, { headers: fields, reset: true }).then(
      ({ status: code }) => code,
      () => 0,
    ),
  )
  // The failing backend answers at once, and the others hold what they get.
  await until(
    () => get('/pool'),
    ({ requests, inFlight }) => requests === 530 && inFlight === held.length,
  )
  await counted(530 - held.length)
  gateway.child.kill('SIGWINCH')
  await gateway.line(({ event }) => event === 'worker started')
  const left = await until(
    () => get('/pool'),
    ({ inFlight }) => inFlight < held.length,
  )
  assert.equal(left.requests, 530)
  for (const end of held) end()
  const codes = await Promise.all(holding)
  const cut = codes.filter((code) => code === 0).length
  assert.equal(cut, held.length - left.inFlight)
  for (const code of codes.filter(Boolean)) got.set(code, (got.get(code) ?? 0) + 1)
  await send(100)
  const after = await compare(630 - cut, cut)
  assert.equal(after.sum('leastwise_worker_restarts_total'), 1)
  assert.equal(after.sum('leastwise_worker_requests_total', { worker: '0' }) > 0, true)
  assert.equal(await gateway.stop(), 0)
})
