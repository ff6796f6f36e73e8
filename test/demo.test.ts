import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { root, start } from './support/process.js'

const demo = join(root, 'dist/bench/demo/main.js')

test('the demo plays both policies, prints the table and ends', async () => {
  const { code, stdout, stderr } = await start([demo, '--once', '--seconds', '4']).ended
  assert.deepEqual([code, stderr], [0, ''])
  for (const row of ['│ policy', '│ round-robin', '│ least-connections'])
    assert.ok(stdout.includes(row), stdout)
  for (const line of stdout.split('\n')) assert.ok(line.length <= 80 || !line.startsWith('│'), line)
})

test('without --once it keeps running, and a signal ends it', async () => {
  const { process: child, ended } = start([demo, '--seconds', '4'])
  child.stdout?.on('data', (chunk) => {
    if (String(chunk).includes('Ctrl-C ends it')) child.kill('SIGINT')
  })
  const { code, stdout } = await ended
  assert.equal(code, 0)
  const admin = /^admin API {2}(http:\/\/127\.0\.0\.1:\d+)$/m.exec(stdout)?.[1]
  assert.ok(stdout.includes(`See it in a browser:\n\n  ${admin}/\n`), stdout)
})

test('--help explains, a wrong option is named', async () => {
  assert.match((await start([demo, '--help']).ended).stdout, /--once/)
  for (const args of [['--seconds', '3'], ['--seconds', 'x'], ['--twice']]) {
    const { code, stderr } = await start([demo, ...args]).ended
    assert.equal(code, 1)
    assert.match(stderr, new RegExp(`^demo: .*${args[0]}`))
  }
})
