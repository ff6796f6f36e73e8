import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startBackend } from '../../bench/cost/answers.js'
import { startScript, stop } from '../../bench/cost/child.js'
import { Clients } from '../../bench/cost/clients.js'
import type { CostRow } from '../../bench/cost/cost.js'
import { goals } from '../../bench/cost/goals.js'
import { type KindName, kinds, parseKinds } from '../../bench/cost/kinds.js'
import { names } from '../../bench/cost/rivals.js'
import { until } from '../support/until.js'

/** Requests of one kind on two connections, until several were answered on each. */
async function several(url: string, kind: KindName): Promise<void> {
  const clients = new Clients({ port: Number(new URL(url).port), kind, connections: 2, rate: undefined })
  try {
    await until(
      () => clients.error !== undefined || clients.answered >= 6,
      (done) => done,
    )
    assert.equal(clients.error, undefined)
  } finally {
    clients.stop()
  }
}

describe('cost', { concurrency: 4 }, () => {
  for (const { name } of kinds) {
    test(`${name}: the backend answers what the clients ask for`, async () => {
      const backend = await startBackend()
      await several(backend.url, name)
      backend.close()
    })
  }

  for (const rival of ['node', 'fastify', 'raw-dispatch', 'http-proxy']) {
    test(`${rival} answers every kind of request`, async () => {
      const backend = await startBackend()
      const { child, ready } = await startScript<string>(`rivals/${rival}`, {
        core: undefined,
        arguments: [backend.url],
      })
      for (const { name } of kinds) await several(ready, name)
      await stop(child)
      backend.close()
    })
  }

  test('kinds are named', () => {
    assert.deepEqual(parseKinds('post-1k,get'), ['post-1k', 'get'])
    assert.throws(() => parseKinds('get,'), /--kinds does not accept "": it takes get, post-1k, /)
  })

  test('goals compare within a round, a kind and a Node', () => {
    const row = (kind: KindName, name: string, node: string | undefined, cost: number[]): CostRow => {
      return { kind, name, node, cost, rate: [], busy: [], late: 0 }
    }
    const rows = [
      row('get', names.raw, '20.0.0', [30, 60, 30]),
      row('get', names.silent, '20.0.0', [33, 66, 90]),
      row('get', names.info, '20.0.0', [66, 66, 99]),
      row('get', names.raw, '24.0.0', [20, 20, 20]),
      row('get', names.silent, '24.0.0', [40, 40, 40]),
      row('get', names.caddy, undefined, [40, 80, 100]),
      row('post-1k', names.silent, '20.0.0', [1000, 1000, 1000]),
    ]
    const nodes = ['20.0.0', '24.0.0'].map((version) => ({ path: '', version }))
    const reached = goals({
      rows,
      kinds: ['get'],
      nodes,
      missing: [],
      cores: undefined,
      connections: 1,
      rate: undefined,
      rounds: 3,
      duration: 1,
      mixed: false,
    })
    assert.deepEqual(
      reached.map(({ node, beside, ratio }) => [node, beside, ratio]),
      [
        ['20.0.0', names.caddy, 0.825],
        ['20.0.0', names.raw, 1.1],
        ['20.0.0', names.silent, 1.1],
        ['24.0.0', names.caddy, 0.5],
        ['24.0.0', names.raw, 2],
        ['24.0.0', names.silent, undefined],
      ],
    )
  })
})
