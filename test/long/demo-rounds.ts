import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { root, start } from '../support/process.js'

const demo = join(root, 'dist/bench/demo/main.js')

describe('the demo', { concurrency: true }, () => {
  test('it plays three policies, prints the table and what was to be seen, and keeps running until a signal ends it', async () => {
    const { process: child, ended } = start([demo, '--seconds', '4'])
    let printed = ''
    child.stdout?.on('data', (chunk) => {
      if (printed.includes('Ctrl-C ends it')) return
      printed += chunk
      if (printed.includes('Ctrl-C ends it')) child.kill('SIGINT')
    })
    const { code, stdout, stderr } = await ended
    assert.deepEqual([code, stderr], [0, ''])
    for (const row of ['│ policy', '│ round-robin', '│ least-connections', '│ least-response-time'])
      assert.ok(stdout.includes(row), stdout)
    const admin = /^admin API {2}(http:\/\/127\.0\.0\.1:\d+)$/m.exec(stdout)?.[1]
    assert.ok(stdout.includes(`See it in a browser:\n\n  ${admin}/\n`), stdout)
    const [, ...sentences] = stdout.split(/\n- /)
    assert.deepEqual(
      sentences.map((text) => text.split(' ', 1)[0]),
      ['round-robin', 'least-connections', 'least-response-time'],
    )
    for (const text of sentences) {
      // Each says what its row of the table says.
      const [policy = ''] = text.split(' ', 1)
      const cells = (stdout.split('\n').find((line) => line.startsWith(`│ ${policy} `)) as string).split(
        / *│ */,
      )
      const [, , , p99, , errors = '', shares = ''] = cells
      const said = text.replaceAll(/\s+/g, ' ')
      assert.ok(said.includes(` waited ${p99} ms or longer.`), said)
      assert.ok(
        said.includes(errors.startsWith('0 of') ? 'no client got an error' : `${errors} clients`),
        said,
      )
      assert.ok(said.includes(`c got ${shares.split(' / ').at(-1)} % of all requests`), said)
    }
    for (const line of stdout.split('\n').slice(10)) assert.ok(line.length <= 80, line)
  })

  test('Ctrl-C twice at once, as npm passes it on, is one: the gateway is stopped in order, and reads no .env', async (t) => {
    const cwd = mkdtempSync(join(tmpdir(), 'leastwise-'))
    t.after(() => rmSync(cwd, { recursive: true }))
    writeFileSync(join(cwd, '.env'), 'HEDGE=is not a number\n')
    const { process: child, ended } = start([demo, '--seconds', '4'], { cwd })
    child.stdout?.on('data', (chunk) => {
      if (!/all is well/.test(String(chunk))) return
      child.kill('SIGINT')
      setImmediate(() => child.kill('SIGINT'))
    })
    const { code, stdout } = await ended
    assert.equal(code, 130)
    assert.equal(stdout.match(/stopping…/g)?.length, 1)
  })

  test('--help explains, a wrong option is named', async () => {
    assert.match((await start([demo, '--help']).ended).stdout, /--once/)
    for (const args of [['--seconds', '3'], ['--seconds', 'x'], ['--twice']]) {
      const { code, stderr } = await start([demo, ...args]).ended
      assert.equal(code, 1)
      assert.match(stderr, new RegExp(`^demo: .*${args[0]}`))
    }
  })
})
