import assert from 'node:assert/strict'
import { test } from 'node:test'
import { before, refusalOutlier } from '../scenarios/refusal-outliers.js'
import { status } from '../support/backend.js'
import { callJson } from '../support/client.js'

// The other policies are in test/long/.
refusalOutlier('least-connections')

test('a pool that answers 404 everywhere is balanced as ever', async (t) => {
  const missing = status(404, 5)
  const { gateway, shares } = await before(t, [missing, missing, missing])
  for (const share of await shares(600)) assert.ok(share > 0.28 && share < 0.39, `${share}`)
  const { json } = await callJson('POST', `${gateway.admin}/explain`, {})
  for (const { reason } of json.backends) assert.doesNotMatch(reason, /^rests/)
})

test('FAILURE_STATUS says what counts against a backend, in its share, its ejection and the log', async (t) => {
  const answers = [status(200, 2), status(429), status(200, 2)]
  const named = await before(t, answers, { FAILURE_STATUS: '429,501', EJECT_CONSECUTIVE: '2' })
  await named.shares(100)
  assert.equal((await named.view(1)).health, 'ejected')
  const line = await named.gateway.line(({ statusCode }) => statusCode === 429)
  assert.equal(line.outcome, 'failed')
  const none = await before(t, [status(200, 2), status(503), status(200, 2)], { FAILURE_STATUS: 'off' })
  await none.shares(200)
  const { failed, health, total, share } = await none.view(1)
  assert.deepEqual([failed, health, share], [0, 'unknown', 1])
  assert.ok(total > 20)
  assert.equal((await none.gateway.line(({ statusCode }) => statusCode === 503)).outcome, 'ok')
})
