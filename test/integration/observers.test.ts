import assert from 'node:assert/strict'
import { openSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import Fastify, { LogController } from 'fastify'
import { pino } from 'pino'
import leastwise from '../../src/index.js'
import { answering, deadUrl } from '../support/backend.js'
import { spawn } from '../support/children.js'
import { call, callJson, load } from '../support/client.js'
import { parseExposition } from '../support/exposition.js'
import { freePort, root } from '../support/process.js'
import { until } from '../support/until.js'

/** An app with a pool whose logger throws at lines of which `bad` holds, once it has started. */
async function opened(t: TestContext, bad: (message: unknown) => boolean, backends: string[]) {
  const lines: Record<string, unknown>[] = []
  let started = false
  const sink = { write: (line: string) => void lines.push(JSON.parse(line)) }
  const hooks = {
    logMethod(this: pino.Logger, parameters: Parameters<pino.LogFn>, method: pino.LogFn) {
      if (started && bad(parameters[1])) throw new Error('the logger')
      method.apply(this, parameters)
    },
  }
  const app = Fastify({
    loggerInstance: pino({ hooks }, sink),
    logController: new LogController({ disableRequestLogging: true }),
  })
  t.after(() => app.close())
  await app.register(leastwise, {
    prefix: '/api',
    backends,
    maxConnections: 2,
    ejectConsecutive: 1,
    failureDecay: 0,
    policy: 'round-robin',
    accessLog: true,
    admin: { prefix: '/admin', token: 'x' },
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  started = true
  return { app, url, lines }
}

const authorization = { authorization: 'Bearer x' }

for (const [what, bad] of Object.entries({
  'at the lines of requests': (message: unknown) => message === 'request',
  'at every line': () => true,
})) {
  test(`a logger that throws ${what} loses no request, no lease, no place in the queue and no figure`, async (t) => {
    const warnings: string[] = []
    const note = ({ message }: Error) => void warnings.push(message)
    process.on('warning', note)
    t.after(() => process.off('warning', note))
    const backend = await answering(2)
    t.after(() => backend.close())
    const { app, url, lines } = await opened(t, bad, [backend.url, deadUrl()])
    const { balancer } = app
    // Whatever the app listens to, throws as well: the one that refuses is ejected, and others come and go.
    const thrown = () => {
      throw new Error('the listener')
    }
    for (const event of ['health', 'added', 'draining', 'drained', 'removed'] as const) {
      balancer.registry.prependListener(event, thrown)
    }
    // Two at a time are worked on, the others wait.
    const statuses = await load(`${url}/api`, { total: 200, concurrency: 20 })
    assert.deepEqual([...statuses], [[200, 200]])
    const other = await answering()
    t.after(() => other.close())
    const added = await callJson(
      'POST',
      `${url}/admin/backends`,
      { url: other.url, id: 'other' },
      authorization,
    )
    assert.equal(added.status, 201)
    const gone = await callJson('DELETE', `${url}/admin/backends/other`, undefined, authorization)
    assert.equal(gone.status, 202)
    await until(
      () => balancer.view(),
      ({ inFlight, queue }) => inFlight === 0 && queue.length === 0,
    )
    assert.equal(balancer.registry.list()[1]?.health, 'ejected')
    const page = await until(
      async () => parseExposition((await call(`${url}/admin/metrics`, { headers: authorization })).text),
      (page) => page.sum('leastwise_requests_total') >= 200,
    )
    assert.equal(page.sum('leastwise_requests_total', { outcome: 'ok' }), 200)
    if (what === 'at every line') {
      assert.ok(warnings.includes('the logger') && warnings.includes('the listener'), warnings.join())
    } else {
      const told = lines.filter(({ event }) => event === 'observer failed')
      const messages = new Set(told.map(({ err }) => (err as Error).message))
      assert.deepEqual([...messages].sort(), ['the listener', 'the logger'])
    }
  })
}

test('an error that cannot be logged is answered all the same', async (t) => {
  const backend = await answering()
  t.after(() => backend.close())
  const app = Fastify({
    loggerInstance: pino({
      hooks: {
        logMethod([first, message], method) {
          if (message === 'request failed') throw new Error('the logger')
          method.apply(this, [first, message])
        },
      },
      level: 'error',
    }),
    logController: new LogController({ disableRequestLogging: true }),
  })
  t.after(() => app.close())
  await app.register(leastwise, { backends: [backend.url] })
  app.addHook('preHandler', async () => {
    throw new Error('a hook of the app')
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const { status, text } = await call(url)
  assert.deepEqual([status, JSON.parse(text).code], [500, 'LEASTWISE_INTERNAL'])
  assert.equal(app.balancer.registry.inFlight, 0)
})

test('log lines that are dropped are counted on the page of metrics', async (t) => {
  const [port, adminPort] = [await freePort(), await freePort()]
  // Nothing can be written there.
  const gateway = spawn(process.execPath, [`${root}/dist/src/gateway/main.js`], {
    env: { PATH: process.env.PATH, PORT: String(port), ADMIN_PORT: String(adminPort) },
    stdio: ['ignore', openSync('/dev/full', 'w'), 'inherit'],
  })
  t.after(() => gateway.kill('SIGKILL'))
  const page = () =>
    call(`http://127.0.0.1:${adminPort}/metrics`).then(
      ({ text }) => parseExposition(text).sum('leastwise_log_lines_dropped_total'),
      () => 0,
    )
  const before = await until(page, (lines) => lines > 0)
  assert.equal((await call(`http://127.0.0.1:${port}/`)).status, 503)
  await until(page, (lines) => lines > before)
})
