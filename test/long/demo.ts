import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { root, start } from '../support/process.js'

test('with --once the demo ends after the table', async () => {
  const demo = join(root, 'dist/bench/demo/main.js')
  const { code, stdout, stderr } = await start([demo, '--once', '--seconds', '4']).ended
  assert.deepEqual([code, stderr], [0, ''])
  assert.match(stdout, /│ least-response-time[\s\S]*\n- least-response-time/)
  assert.ok(!stdout.includes('Ctrl-C ends it'), stdout)
})
