import assert from 'node:assert/strict'
import { test } from 'node:test'
import { counts, playCounts } from '../../bench/counts/counts.js'
import { oneLine } from '../../bench/counts/one-line.js'
import { pictures } from '../../bench/counts/pictures.js'
import { type PoolName, type PoolOptions, poolNames, poolScene } from '../../bench/counts/pools.js'
import { render } from '../../bench/counts/report.js'
import { erlangMean } from '../../bench/simulate/erlang.js'
import { type Played, play } from '../../bench/simulate/play.js'
import { mean } from '../../bench/simulate/statistics.js'

const small: PoolOptions = {
  pool: 'equal',
  utilisation: 0.7,
  atOnce: 1,
  counts: 1,
  spread: 'even',
  requests: 3000,
}

const played = (options: Partial<PoolOptions>, policy = counts.policies[0]) =>
  play(poolScene({ ...small, ...options }), policy as Played['policy'], 3)

test('with one count nobody waits beside an idle backend, with one per worker many do', () => {
  for (const pool of poolNames) {
    assert.equal(played({ pool }).waitedBesideFree, 0)
    assert.ok(played({ pool, counts: 8 }).waitedBesideFree > 1000)
  }
})

test('with one count a slow backend is never given more than the others, with one per worker it is by each', () => {
  assert.ok(played({ pool: 'slow' }).mostInFlight <= 4)
  assert.ok(played({ pool: 'slow', counts: 8, requests: 10_000 }).mostInFlight >= 8)
})

test('every contender meets the same requests, however connections are spread', () => {
  const one = played({})
  for (const spread of ['even', 'hashed'] as const) {
    const { due, works, answered, held } = played({ counts: 8, spread }, 'power-of-two')
    assert.deepEqual({ due, works, answered, held }, { ...pick(one), held: 0 })
  }
  assert.deepEqual(played({ spread: 'hashed' }), one)
  assert.notDeepEqual(played({ counts: 8, spread: 'hashed' }).chosen, played({ counts: 8 }).chosen)
})

test('one line before equal backends agrees with the formula of Erlang', () => {
  const { due, works } = played({ requests: 200_000, utilisation: 0.9 })
  const found = mean(oneLine(due, works, Array(12).fill(1), 1))
  const expected = erlangMean(12, 0.9, 10)
  assert.ok(Math.abs(found / expected - 1) < 0.03, `${found} instead of ${expected}`)
})

test('one line gives a request to the fastest backend with room, and otherwise to the first that has room', () => {
  const times = oneLine(Float64Array.of(0, 1, 2, 30), Float64Array.of(10, 10, 10, 10), [3, 1], 1)
  assert.deepEqual([...times], [10, 30, 18, 10])
})

test('the report: one count is ahead of one per worker in every pool, and one line is ahead of all', async () => {
  const data = await playCounts({ seed: 1, requests: 1000 })
  const p99 = (pool: PoolName, workers: number | undefined) =>
    data.few.find((row) => row.pool === pool && row.policy === 'least-connections' && row.workers === workers)
      ?.p99.median as number
  for (const pool of poolNames) assert.ok(p99(pool, undefined) * 1.3 < p99(pool, 8), pool)
  for (const { beside, pool } of data.few) if (pool === 'equal') assert.ok(beside.median >= 1)

  const text = render(data)
  assert.match(text, /│ least-connections │ one for all │ /)
  assert.match(text, /│ power-of-two +│ each of 32 +│ /)
  assert.doesNotMatch(text, /NaN|undefined/)
  const drawn = pictures(data)
  assert.deepEqual([...drawn.keys()], ['counts-equal.svg', 'counts-slow.svg', 'counts-unequal.svg'])
  for (const svg of drawn.values()) assert.doesNotMatch(svg, /NaN|undefined/)
})

function pick({ due, works, answered }: Played) {
  return { due, works, answered }
}
