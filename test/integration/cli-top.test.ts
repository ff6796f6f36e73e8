import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { after, describe, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import Fastify from 'fastify'
import { adminRoutes } from '../../routes/admin.js'
import { Balancer } from '../../src/balancer/balancer.js'
import { spawn } from '../support/children.js'
import { bin, fakeGateway } from '../support/command.js'
import { start } from '../support/process.js'

const gateway = await fakeGateway('a')
const { url } = gateway
after(() => gateway.close())

const ENTER = '\x1b[?1049h\x1b[?25l'
const LEAVE = '\x1b[?25h\x1b[?1049l'
const HOME = '\x1b[H'

const withoutTerminal = spawnSync('script', ['-qec', 'true', '/dev/null'], { timeout: 5000 }).status !== 0

interface Terminal {
  /** What was drawn so far, the last one perhaps in part. */
  frames: string[]
  type(keys: string): void
  resize(columns: number): void
}

/**
 * Runs `top` on a terminal of 60 columns and 8 lines; whatever it prints is told at once.
 * @returns what it drew, and what was on the terminal after that
 */
async function onTerminal(
  url: string,
  env: Record<string, string>,
  signal: AbortSignal,
  onPrinted: (terminal: Terminal) => void,
): Promise<{ frames: string[]; rest: string }> {
  const command = [
    'tty',
    'stty cols 60 rows 8',
    `'${process.execPath}' '${bin}' top --request-timeout 600000 --url ${url}`,
    `echo "ended with $?, $(stty -a | grep -o -- '-*icanon')"`,
  ]
  const child = spawn('script', ['-qec', command.join('; '), '/dev/null'], {
    env: { PATH: process.env.PATH, TERM: 'xterm', SHELL: '/bin/sh', ...env },
    stdio: ['pipe', 'pipe', 'ignore'],
    signal,
  })
  let printed = ''
  child.stdout.on('data', (chunk) => {
    printed += chunk
    const [tty = '', ...frames] = printed.split(HOME)
    onPrinted({
      frames,
      type: (keys) => child.stdin.write(keys),
      resize(columns) {
        const device = stripVTControlCharacters(tty).trim()
        assert.equal(spawnSync('stty', ['-F', device, 'cols', String(columns)]).status, 0)
      },
    })
  })
  await once(child, 'close')
  const [before = '', after = ''] = printed.split(ENTER)
  assert.match(before, /^\/dev\/\S+\s+$/, JSON.stringify(printed))
  const [screen = '', rest = ''] = after.split(LEAVE)
  return { frames: screen.split(HOME).slice(1), rest }
}

describe('leastwise top', { concurrency: true }, () => {
  test('top prints a line of JSON each second, also when the gateway was away', async (t) => {
    const { server, url, close } = await fakeGateway('a')
    t.after(close)
    const { process: child, ended } = start([bin, 'top', '--json', '--url', url])
    const reader = createInterface({ input: child.stdout as NodeJS.ReadableStream })
    const [text] = (await once(reader, 'line')) as [string]
    const { at, interval, pool, backends } = JSON.parse(text)
    assert.ok(Date.parse(at) > 0 && interval > 0)
    assert.deepEqual([pool.policy, backends[0].id], ['p', 'a'])
    assert.deepEqual(backends[0].recent, { share: 0, requestsPerSecond: 0, failedPerSecond: 0 })
    const { port } = new URL(url)
    server.closeAllConnections()
    server.close()
    const [complaint] = (await once(child.stderr as NodeJS.ReadableStream, 'data')) as [Buffer]
    assert.equal(JSON.parse(String(complaint)).code, 'LEASTWISE_UNREACHABLE')
    server.listen(Number(port), '127.0.0.1')
    await once(reader, 'line')
    child.kill('SIGINT')
    assert.equal((await ended).code, 0)
  })

  test('top ends in silence when nobody reads it any more, and with 143 on SIGTERM', async () => {
    const left = start([bin, 'top', '--url', url])
    left.process.stdout?.once('data', () => left.process.stdout?.destroy())
    const asked = start([bin, 'top', '--url', url])
    asked.process.stdout?.once('data', () => asked.process.kill('SIGTERM'))
    const [{ code, stderr }, terminated] = await Promise.all([left.ended, asked.ended])
    assert.deepEqual([code, stderr], [0, ''])
    assert.equal(terminated.code, 143)
    assert.match(terminated.stdout, /^\S+Z\np \|.*\nid .*\na .*\n$/)
  })

  // One that does not end is taken off its terminal, and ends by that.
  const timeout = 20_000
  const skip = withoutTerminal && 'script (of util-linux) is not installed'

  test('top draws in place on a terminal, as wide as that is, and leaves it as it was', {
    skip,
    timeout,
  }, async (t) => {
    // After the first look nothing is drawn but what the terminal gives reason to.
    const { url, close } = await fakeGateway('a', 2)
    t.after(close)
    const widthOf = (frame: string) =>
      Math.max(
        ...stripVTControlCharacters(frame)
          .split(/\s*\n/)
          .map(({ length }) => length),
      )
    let step = 0
    const { frames, rest } = await onTerminal(url, {}, t.signal, ({ frames, type, resize }) => {
      const last = frames.at(-1) ?? ''
      if (step === 0 && last.includes('sort by id')) {
        step = 1
        type('s')
      } else if (step === 1 && last.includes('sort by in-flight')) {
        step = 2
        resize(30)
      } else if (step === 2 && last.includes('\n') && widthOf(last) <= 30) {
        step = 3
        type('q')
      }
    })
    assert.match(rest, /^ended with 0, icanon\s+$/)
    for (const frame of frames) {
      const lines = stripVTControlCharacters(frame).split(/\r*\n/)
      assert.match(lines[0] as string, /^p \| in flight 0 \| queue 0 of 0/)
      assert.match(lines[2] as string, /^a +active +unknown +0/)
      assert.ok(widthOf(frame) <= 60, frame)
    }
    assert.ok(frames[0]?.includes('\x1b[1mid'))
  })

  test('top on a terminal shows one of several pools at a time', { skip, timeout }, async (t) => {
    const pools = new Map(
      ['users', 'orders'].map((name) => [name, new Balancer({ backends: [`http://${name}:1`] })]),
    )
    const app = Fastify({ forceCloseConnections: true })
    t.after(() => app.close())
    await app.register(adminRoutes, { pools, token: undefined })
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    const seen: string[] = []
    await onTerminal(url, {}, t.signal, ({ frames, type }) => {
      const [, pool] = /^pool (\w+) \|/.exec(stripVTControlCharacters(frames.at(-1) ?? '')) ?? []
      if (pool === undefined || pool === seen.at(-1)) return
      seen.push(pool)
      type(seen.length === 3 ? 'q' : 'p')
    })
    assert.deepEqual(seen, ['users', 'orders', 'users'])
  })

  test('top on a terminal ends with Ctrl-C, and without colours where nobody wants any', {
    skip,
    timeout,
  }, async (t) => {
    let ending = false
    const { frames, rest } = await onTerminal(url, { NO_COLOR: '1' }, t.signal, ({ frames, type }) => {
      if (!ending && frames[0]?.includes('quit')) {
        ending = true
        type('\x03')
      }
    })
    assert.match(rest, /^ended with 0, icanon\s+$/)
    assert.ok(!frames.some((frame) => /\[\d*m/.test(frame)), frames.join())
  })
})
