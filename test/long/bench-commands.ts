import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { root, start } from '../support/process.js'

const commands: Record<string, { wrong: string[][]; silent?: boolean }> = {
  cost: {
    wrong: [
      ['--rounds', '0'],
      ['--rate', 'x'],
      ['--kinds', 'get,put'],
      ['--kinds', 'stream-16m', '--rate', '500'],
      ['--node', 'no-such-node'],
      ['--loud'],
    ],
    silent: true,
  },
  cores: {
    wrong: [['--workers', '2,1'], ['--rounds', '0'], ['--node', 'no-such-node'], ['--loud']],
    silent: true,
  },
  idle: { wrong: [['--connections', '5'], ['--loud']], silent: true },
  spike: { wrong: [['--seconds', '3'], ['--loud']], silent: true },
  simulate: { wrong: [['--seed', 'x'], ['--requests', '10'], ['--loud']] },
  counts: { wrong: [['--seed', 'x'], ['--requests', '10'], ['--loud']] },
  select: { wrong: [['--rounds', '0'], ['--steps', '1.5'], ['--loud']] },
}

/** Says on standard error when a process has begun to listen for Ctrl-C, which ends it before. */
const announcing = `data:text/javascript,process.on('newListener', (name) => {
  if (name === 'SIGINT') setImmediate(() => console.error('listening'))
})`

describe('commands of bench', { concurrency: 3 }, () => {
  test('bench --help explains, and a part that there is not is named', async () => {
    const main = join(root, 'dist/bench/main.js')
    const help = await start([main, '--help']).ended
    assert.deepEqual([help.code, help.stderr], [0, ''])
    for (const part of ['select', 'simulate', 'counts', 'cost', 'cores', 'idle', 'spike'])
      assert.match(help.stdout, new RegExp(`\\b${part} `))
    const { code, stderr } = await start([main, 'speed']).ended
    assert.equal(code, 1)
    assert.match(stderr, /^bench: there is no part "speed"/)
  })

  test('options after one part are for that part', async () => {
    const main = join(root, 'dist/bench/main.js')
    const help = await start([main, 'cost', '--help']).ended
    assert.deepEqual([help.code, help.stderr], [0, ''])
    assert.match(help.stdout, /^npm run bench -- cost \[options\]/)
    const { code, stderr } = await start([main, 'cost', '--kinds', 'put']).ended
    assert.equal(code, 1)
    assert.match(stderr, /^cost: --kinds does not accept "put": it takes get, post-1k, /)
  })

  test('idle says what connections take', async () => {
    const { code, stdout, stderr } = await start([
      join(root, 'dist/bench/idle/main.js'),
      '--connections',
      '20',
    ]).ended
    assert.deepEqual([code, stderr], [0, ''])
    assert.match(stdout, /\n\| \d+ idle to backends, \d+ of clients +\| +\d+\.\d \| +\d+\.\d \|/)
    assert.match(stdout, /\n\| \d+ idle to backends +\| +\d+\.\d \| +\d+\.\d \|/)
  })

  test('soak --help explains, a wrong option is named', async () => {
    const main = join(root, 'dist/bench/soak/main.js')
    const help = await start([main, '--help']).ended
    assert.deepEqual([help.code, help.stderr], [0, ''])
    assert.match(help.stdout, /--requests N/)
    const [few, unknown] = [start([main, '--requests', '5']).ended, start([main, '--loud']).ended]
    assert.match(
      (await few).stderr,
      /^soak: --requests does not accept "5": it takes a whole number from 6000 /,
    )
    const { code, stderr } = await unknown
    assert.deepEqual([code, stderr], [1, "soak: Unknown option '--loud'; see --help\n"])
  })

  for (const [name, { wrong, silent }] of Object.entries(commands)) {
    const main = join(root, `dist/bench/${name}/main.js`)

    test(`${name} --help explains, a wrong option is named`, async () => {
      const help = await start([main, '--help']).ended
      assert.deepEqual([help.code, help.stderr], [0, ''])
      for (const args of wrong) {
        assert.ok(args[0] === '--loud' || help.stdout.includes(args[0] as string), help.stdout)
        const { code, stderr } = await start([main, ...args]).ended
        assert.equal(code, 1)
        assert.match(stderr, new RegExp(`^${name}: .*${args[0]}`))
      }
    })

    test(`${name} ends when it is told to`, async () => {
      const { process: child, ended } = start(['--import', announcing, main])
      const { stdout, stderr } = child as { stdout: Readable; stderr: Readable }
      // In the middle of its work; some have nothing to say before they are done.
      await Promise.all([once(stderr, 'data'), silent ? sleep(1000) : once(stdout, 'data')])
      child.kill('SIGINT')
      assert.equal((await ended).code, 130)
    })
  }
})
