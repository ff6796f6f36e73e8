import assert from 'node:assert/strict'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, describe, test } from 'node:test'
import Fastify from 'fastify'
import { adminRoutes } from '../../routes/admin.js'
import { Balancer } from '../../src/balancer/index.js'
import type { LocalKeeper } from '../../src/balancer/state/local-keeper.js'
import leastwise from '../../src/index.js'
import { answering, holding } from '../support/backend.js'
import { spawn } from '../support/children.js'
import { call, callJson } from '../support/client.js'
import { TestClock } from '../support/clock.js'
import { bin, commandsWith, fakeGateway } from '../support/command.js'
import { playedStatus } from '../support/played-fleet.js'
import { start, startGateway } from '../support/process.js'

const open: { close(): unknown }[] = []
after(() => Promise.all(open.map((thing) => thing.close())))

function opened<T extends { close(): unknown }>(thing: T): T {
  open.push(thing)
  return thing
}

describe('leastwise', { concurrency: true }, () => {
  test('a backend is added, used, drained, activated and removed, and everybody sees it', async () => {
    const [a, c] = [opened(await answering()), opened(await holding())]
    const gateway = await startGateway({
      BACKENDS: `${a.url};id=a`,
      ADMIN_TOKEN: 'secret',
      POLICY: 'round-robin',
      SLOW_START: '0',
    })
    opened({ close: () => gateway.stop('SIGKILL') })
    const run = commandsWith({ LEASTWISE_URL: gateway.admin, ADMIN_TOKEN: 'secret' })
    const draining = async () => {
      const headers = { authorization: 'Bearer secret' }
      const ask = () => callJson('GET', `${gateway.admin}/backends/c`, undefined, headers)
      while ((await ask()).json.state !== 'draining');
    }
    const says = async (line: string, text: RegExp | string) => {
      const { code, stdout, stderr } = await run(line)
      assert.deepEqual([code, stderr], [0, ''], line)
      if (typeof text === 'string') assert.equal(stdout, `${text}\n`)
      else assert.match(stdout, text)
    }

    await says(
      `backends add ${c.url} --id c --max-connections 5`,
      `added c (${c.url}): weight 1, at most 5 in flight`,
    )
    await says('backends update c --weight 3 --max-connections 0', 'updated c: weight 3, no limit')
    const requests = [call(gateway.url), call(gateway.url)]
    await c.untilOpen(1)
    await says(
      'backends list',
      /^id +url .*\na +http.* active +unknown +0 +1 +0 .*\nc +http.* active +unknown +1 +1 +0 +0 +- +- +3 +-\n$/,
    )

    const waiting = run('backends drain c --timeout 60000 --wait --json')
    await draining()
    await says('backends list', /\nc .* draining +unknown +1 /)
    await says('backends drain c', 'draining c: 1 in flight')
    c.release()
    const { code, stdout } = await waiting
    const { id, state, inFlight, total } = JSON.parse(stdout)
    assert.deepEqual([code, id, state, inFlight, total], [0, 'c', 'draining', 0, 1])
    assert.deepEqual(await Promise.all(requests.map(async (one) => (await one).status)), [200, 200])
    for (let i = 0; i < 4; i++) await call(gateway.url)
    assert.equal(c.total, 1, 'not one new request')

    await says('backends activate c', 'activated c')
    for (const wait of ['--wait', '--timeout 5']) {
      const told = 'activated c, without a wait: it has no health checks'
      await says(`backends activate c ${wait}`, told)
    }
    requests.push(call(gateway.url), call(gateway.url))
    await c.untilOpen(1)
    const undone = run('backends drain c --wait')
    await draining()
    await says('backends activate c', 'activated c')
    assert.deepEqual(await undone, {
      code: 1,
      stdout: '',
      stderr: 'leastwise: LEASTWISE_NOT_DRAINED: c was activated before it was drained\n',
    })
    c.release()
    await Promise.all(requests)
    await says('policy power-of-two', 'power-of-two')
    await says('policy --json', '{"policy":"power-of-two"}')
    await says('backends remove c', 'removed c')
    await says('backends remove a --force --json', '{"id":"a"}')
    await says('backends list --json', '{"backends":[]}')

    const gone = await run('backends update a --weight 2')
    assert.deepEqual(gone, {
      code: 1,
      stdout: '',
      stderr: 'leastwise: LEASTWISE_BACKEND_NOT_FOUND: there is no backend with id "a"\n',
    })
    const bad = await run('backends add 10.0.0.1 --json')
    assert.deepEqual([bad.code, bad.stdout], [1, ''])
    assert.deepEqual(JSON.parse(bad.stderr), {
      exitCode: 1,
      code: 'LEASTWISE_INVALID_BACKEND',
      statusCode: 400,
      message: 'url must start with http:// or https://, or with unix:/',
    })

    const folder = mkdtempSync(join(tmpdir(), 'leastwise-'))
    opened({ close: () => rmSync(folder, { recursive: true }) })
    writeFileSync(join(folder, '.env'), `ADMIN_HOST=0.0.0.0\nADMIN_PORT=${new URL(gateway.admin).port}\n`)
    writeFileSync(join(folder, 'token'), 'secret\n')
    const there = (...args: string[]) => start([bin, 'policy', ...args], { cwd: folder }).ended
    assert.equal((await there('--token-file', 'token')).stdout, 'power-of-two\n')
    const refused = await there()
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /^leastwise: LEASTWISE_UNAUTHORIZED: .*; ADMIN_TOKEN is not set\n$/)
  })

  test('a plugin is asked under its prefix', async () => {
    const app = opened(Fastify())
    await app.register(leastwise, {
      prefix: '/api',
      backends: ['http://127.0.0.1:9'],
      admin: { prefix: '/ops', token: 't' },
    })
    const url = await app.listen({ port: 0 })
    const run = commandsWith({ ADMIN_TOKEN: 't' })
    assert.match(
      (await run(`top --once --url ${url}/ops/`)).stdout,
      /^\S+Z\nleast-connections \|.*\nid .*\n127\.0\.0\.1-9 .*\n$/,
    )
    const { code, stderr } = await run(`policy --url ${url}`)
    assert.equal(code, 3)
    assert.match(
      stderr,
      /^leastwise: http:\S+ answered 404 Not Found; that is no admin API \(.*prefix.*\)\n$/,
    )
  })

  test('nothing that a gateway says reaches the terminal as it is', async () => {
    const { url } = opened(await fakeGateway('\x1b]0;owned\x07\n\x9b31m'))
    const run = commandsWith({ LEASTWISE_URL: url })
    for (const line of ['backends list', 'backends list --json', 'top --once']) {
      const { code, stdout } = await run(line)
      assert.equal(code, 0)
      assert.match(stdout, /^[\x20-\x7e\n]+$/)
      assert.match(stdout, /\\u\{?(00)?1b\}?\]0;owned/)
    }
  })

  test('without a command it serves, and ends as npm start does', async () => {
    const { process: child, ended } = start([bin], { env: { PORT: '0', ADMIN_PORT: '0' } })
    for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
      if (line.includes('gateway ready')) break
    }
    child.stdout?.resume()
    child.kill('SIGTERM')
    assert.equal((await ended).code, 0)
    const wrong = await start([bin, 'serve'], { env: { PORT: 'x' } }).ended
    assert.deepEqual([wrong.code, wrong.stdout], [1, ''])
    assert.match(wrong.stderr, /^leastwise: PORT does not accept "x".*\n$/)
  })

  test('--pool names the pool that a command is for', async () => {
    const [users, orders] = [new Balancer(), new Balancer({ policy: 'power-of-two' })]
    const app = opened(Fastify())
    const pools = new Map([
      ['users', users],
      ['orders', orders],
    ])
    await app.register(adminRoutes, { pools, token: undefined })
    const run = commandsWith({ LEASTWISE_URL: await app.listen({ port: 0 }) })
    const [added, policy, unknown, none, list] = await Promise.all([
      run('backends add http://10.0.0.9:1 --id nine --pool orders'),
      run('policy --pool orders'),
      run('backends drain nine --pool nobody'),
      run('policy'),
      run('pools'),
    ])
    assert.deepEqual([added.code, users.registry.size, orders.registry.size], [0, 0, 1])
    assert.deepEqual([policy.code, policy.stdout], [0, 'power-of-two\n'])
    assert.deepEqual(
      [unknown.code, unknown.stderr],
      [1, 'leastwise: LEASTWISE_POOL_NOT_FOUND: there is no pool "nobody"\n'],
    )
    assert.deepEqual([none.code, none.stderr.includes('there are several pools')], [1, true])
    assert.match(list.stdout, /^name .*\nusers +least-connections .*\norders +power-of-two .*\n$/)
  })

  test('gateways are listed, and the store where they share one', async () => {
    const { status, link, directory } = playedStatus(new TestClock())
    directory.join('one', 3)
    directory.join('two\x1b', 4)
    const shared = new Balancer()
    shared.keeper = { fleet: { status } } as LocalKeeper
    const urlOf = async (pool: Balancer) => {
      const app = opened(Fastify())
      const pools = new Map([['users', pool]])
      await app.register(adminRoutes, { pools, token: undefined, gatewayId: 'only' })
      return app.listen({ port: 0 })
    }
    const [run, alone] = [
      commandsWith({ LEASTWISE_URL: await urlOf(shared) }),
      commandsWith({ LEASTWISE_URL: await urlOf(new Balancer()) }),
    ]
    const lines = async (command: typeof run) => {
      const { code, stdout } = await command('gateways')
      return [code, ...stdout.trimEnd().split('\n')]
    }
    const rows = ['one                3  is asked', 'two\\u{1b}          4  0.0 s ago']
    assert.deepEqual(await lines(run), [
      0,
      'id         in flight  last seen',
      ...rows,
      '',
      'store redis://store:6379 answers',
    ])
    link.go()
    const { awaySince } = status.store()
    assert.equal(
      (await lines(run)).at(-1),
      `store redis://store:6379 is AWAY since ${awaySince}: changes are refused`,
    )
    assert.deepEqual(JSON.parse((await run('gateways --json')).stdout), { gateways: directory.gateways })
    assert.deepEqual(await lines(alone), [0, 'id    in flight  last seen', 'only          0  is asked'])
  })

  test('what goes wrong is one line and an exit code', async () => {
    const run = commandsWith({ LEASTWISE_URL: 'http://127.0.0.1:1' })
    assert.deepEqual(await run('backends list'), {
      code: 3,
      stdout: '',
      stderr: 'leastwise: http://127.0.0.1:1 refused the connection\n',
    })
    const usage = await run('backends drain --json')
    assert.equal(usage.code, 2)
    assert.deepEqual(JSON.parse(usage.stderr), {
      exitCode: 2,
      code: 'LEASTWISE_USAGE',
      message: "missing required argument 'id'; see leastwise backends drain --help",
    })
    if (existsSync('/dev/full')) {
      const full = openSync('/dev/full', 'w')
      const child = spawn(process.execPath, [bin, '--help'], { stdio: ['ignore', full, 'pipe'] })
      closeSync(full)
      const [complaint] = await once(child.stderr as NodeJS.ReadableStream, 'data')
      assert.match(String(complaint), /^leastwise: standard output cannot be written: ENOSPC.*\n$/)
      assert.deepEqual(await once(child, 'close'), [4, null])
    }
    assert.match((await run('--version')).stdout, /^\d+\.\d+\.\d+\n$/)
  })
})
