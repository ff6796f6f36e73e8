import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Agent } from 'undici'
import { answering } from '../support/backend.js'
import { call } from '../support/client.js'
import { configuredGateway, type Document } from '../support/configured-gateway.js'
import { freePort } from '../support/process.js'
import { noSharedPort } from '../support/shared-port.js'
import { until } from '../support/until.js'

/** Requests that are sent at a time. */
const CLIENTS = 12

interface ReloadsOptions {
  /** Number of reloads. */
  times: number
  workers: number
  /** Least number of requests between two reloads. */
  requests: number
}

/** A gateway whose file is loaded again and again while requests come: none is lost, and every count is right. */
export function reloads({ times, workers, requests }: ReloadsOptions): void {
  test(`${times} reloads under load with WORKERS=${workers}: no request is lost, and every count is right`, {
    skip: workers > 1 && noSharedPort,
  }, async (t) => {
    const [a1, a2, b1, b2] = [await answering(), await answering(2), await answering(), await answering(1)]
    const servers = [a1, a2, b1, b2]
    t.after(() => Promise.all(servers.map((server) => server.close())))
    const port = await freePort()
    /** The file of each reload: something of everything is another one. */
    const file = (i: number): Document => ({
      listen: [{ port: 0 }, ...(i % 3 === 1 ? [{ port }] : [])],
      pools: {
        a: {
          backends: [a1.url, { url: a2.url, weight: 1 + (i % 4) }],
          policy: ['least-connections', 'round-robin', 'power-of-two'][i % 3],
          responseTimeout: 30_000 + i,
          slowStart: 0,
        },
        // One of its backends comes and goes.
        b: { backends: i % 2 === 0 ? [b1.url, b2.url] : [b1.url], slowStart: 0 },
        ...(i % 5 === 2 && { c: { backends: [a1.url] } }),
      },
      routes: [
        { name: 'a', match: { path: '/a' }, pool: 'a', headers: { response: { set: { 'x-file': `${i}` } } } },
        { name: 'b', match: { path: '/b' }, pool: 'b', rewritePrefix: '' },
        ...(i % 5 === 2 ? [{ match: { path: '/c' }, pool: 'c' }] : []),
        ...Array.from({ length: i % 7 }, (_, n) => ({ match: { path: `/more/${n}` }, pool: 'a' })),
      ],
    })
    const gateway = await configuredGateway(t, file(0), {
      env: { WORKERS: `${workers}`, LOG_LEVEL: 'error' },
    })
    const [kept, fresh] = [new Agent({ connections: CLIENTS }), new Agent({ pipelining: 0 })]
    t.after(() => Promise.all([kept.close(), fresh.close()]))
    const asked: Record<string, number> = { a: 0, b: 0 }
    const wrong = new Map<string, number>()
    let sent = 0
    let isOver = false
    const client = async (number: number) => {
      while (!isOver) {
        const pool = sent++ % 2 === 0 ? 'a' : 'b'
        asked[pool] = (asked[pool] as number) + 1
        const isPost = number % 3 === 0
        const outcome = await call(`${gateway.url}/${pool}/${sent}`, {
          dispatcher: number % 4 === 0 ? fresh : kept,
          ...(isPost && { method: 'POST', body: 'x'.repeat(sent % 5000) }),
        }).then(
          ({ status, text }) => `${status} ${text}`,
          (error) => String(error.code ?? error),
        )
        if (outcome !== '200 ok') wrong.set(outcome, (wrong.get(outcome) ?? 0) + 1)
      }
    }
    const clients = Array.from({ length: CLIENTS }, (_, i) => client(i))
    for (let i = 1; i <= times; i++) {
      const begun = sent
      await gateway.reload(file(i))
      await until(
        () => sent - begun,
        (count) => count >= requests,
      )
    }
    isOver = true
    await Promise.all(clients)
    assert.deepEqual(Object.fromEntries(wrong), {})
    const pools = [...gateway.gateway.balancers.values()]
    await until(
      () => pools.map(({ registry }) => registry.inFlight).join(),
      (counts) => pools.map(() => '0').join() === counts,
    )
    const totals = gateway
      .balancer('a')
      .registry.list()
      .map(({ counter }) => counter.total)
    assert.deepEqual(totals, [a1.total, a2.total])
    assert.equal(a1.total + a2.total, asked.a)
    assert.equal(b1.total + b2.total, asked.b)
    assert.deepEqual(
      servers.map(({ open }) => open),
      [0, 0, 0, 0],
    )
    assert.deepEqual(
      gateway.lines.filter(({ level }) => Number(level) >= 50),
      [],
    )
    t.diagnostic(`${sent} requests`)
  })
}
