import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { root, start } from '../support/process.js'
import { withoutRedis } from '../support/redis-server.js'

test('with --once the demo ends after the table', async () => {
  const demo = join(root, 'dist/bench/demo/main.js')
  const { code, stdout, stderr } = await start([demo, '--once', '--seconds', '4']).ended
  assert.deepEqual([code, stderr], [0, ''])
  assert.match(stdout, /│ least-response-time[\s\S]*\n- least-response-time/)
  assert.ok(!stdout.includes('Ctrl-C ends it'), stdout)
})

test('with --fleet three gateways show what happens to one of them and to their store', async () => {
  const demo = join(root, 'dist/bench/demo/main.js')
  const { code, stdout, stderr } = await start([demo, '--fleet', '--once']).ended
  assert.deepEqual([code, stderr], [0, ''])
  const row = (what: string) => stdout.split('\n').find((line) => line.startsWith(`│ ${what} `)) ?? ''
  if (withoutRedis) {
    assert.match(stdout, /No valkey-server or redis-server is installed/)
    assert.match(row('c drained at a'), /draining +│ active +│ active/)
    return
  }
  assert.match(row('c drained at a'), /draining +│ draining +│ draining/)
  assert.match(row('c activated at b'), /active +│ active +│ active/)
  assert.match(row('store killed'), /away +│ away +│ away/)
  assert.match(row('drain asked at a'), /503 LEASTWISE_STATE_NOT_SAVED/)
  assert.match(row('store back, empty'), /there +│ there +│ there/)
  assert.match(row('gateway c killed'), /2 gateways +│ 2 gateways +│ - /)
  assert.match(row('requests that failed'), /│ 0 of \d+ +│ 0 of \d+ /)
  for (const line of stdout.split('\n').slice(8)) assert.ok(line.length <= 80, line)
})
