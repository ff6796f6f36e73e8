import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { Signals } from '../../src/gateway/signals.js'
import { holding } from '../support/backend.js'
import { spawn } from '../support/children.js'
import { call } from '../support/client.js'
import { type GatewayProcess, root, startGateway } from '../support/process.js'
import { RawClient } from '../support/raw.js'

async function started(t: TestContext, env: Record<string, string>): Promise<GatewayProcess> {
  const gateway = await startGateway(env)
  t.after(() => gateway.stop('SIGKILL'))
  return gateway
}

const withoutTerminal =
  spawnSync('script', ['-qec', 'true', '/dev/null'], { timeout: 5000 }).status !== 0 &&
  'script is not installed'

const changesNothing = (signal: string) => (line: Record<string, unknown>) =>
  line.signal === signal && String(line.msg).includes('changes nothing')
const shuttingDown = ({ msg }: Record<string, unknown>) => msg === 'shutting down'

test('within a second of the first a signal says nothing new, and after that it ends at once', () => {
  const heard: string[] = []
  let now = 5000
  const signals = new Signals(
    {
      end: (signal) => heard.push(`end by ${signal}`),
      endNow: (signal) => heard.push(`at once by ${signal}`),
      ignored: (signal) => heard.push(`ignored ${signal}`),
    },
    () => now,
  )
  signals.ending('SIGINT')
  signals.ending('SIGINT')
  now += 999
  signals.ending('SIGTERM')
  now += 1
  signals.ending('SIGINT')
  assert.deepEqual(heard, ['end by SIGINT', 'ignored SIGINT', 'ignored SIGTERM', 'at once by SIGINT'])
})

test('a process that ends for another reason is ended at once by a signal a second later', () => {
  const heard: string[] = []
  let now = 0
  const signals = new Signals(
    { end: () => heard.push('end'), endNow: () => heard.push('at once'), ignored: () => {} },
    () => now,
  )
  signals.begin()
  signals.ending('SIGTERM')
  now = 1000
  signals.ending('SIGTERM')
  assert.deepEqual(heard, ['at once'])
})

for (const [first, second] of [
  ['SIGINT', 'SIGINT'],
  ['SIGINT', 'SIGTERM'],
  ['SIGTERM', 'SIGTERM'],
  ['SIGQUIT', 'SIGINT'],
  ['SIGUSR2', 'SIGUSR2'],
] as const) {
  test(`${first} and ${second} at once lose no request in flight`, async (t) => {
    const held = await holding()
    t.after(() => held.close())
    const gateway = await started(t, { BACKENDS: held.url })
    const answers = [1, 2, 3].map(() => call(gateway.url))
    await held.untilOpen(3)
    const exit = once(gateway.child, 'exit')
    const ended = exit.then(() => assert.fail('it did not wait for the requests'))
    gateway.child.kill(first)
    await gateway.line(shuttingDown)
    gateway.child.kill(second)
    await Promise.race([gateway.line(changesNothing(second)), ended])
    ended.catch(() => {})
    held.release()
    assert.deepEqual(
      (await Promise.all(answers)).map(({ status }) => status),
      [200, 200, 200],
    )
    assert.deepEqual(await exit, [0, null])
  })
}

test('Ctrl-C under npm start, which comes twice, loses no request in flight', async (t) => {
  const held = await holding()
  t.after(() => held.close())
  // A process group of its own, as a shell gives each command.
  const npm = spawn('npm', ['start'], {
    cwd: root,
    env: { ...process.env, PORT: '0', ADMIN_PORT: '0', BACKENDS: held.url },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  const exit = once(npm, 'exit')
  t.after(() => {
    if (npm.exitCode === null && npm.signalCode === null) process.kill(-(npm.pid as number), 'SIGKILL')
  })
  const output = createInterface({ input: npm.stdout })
  const until = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      output.on('line', (line) => pattern.test(line) && resolve(line))
      npm.once('exit', (code) => reject(new Error(`npm start ended with ${code}`)))
    })
  const ready = JSON.parse(await until(/"gateway ready"/))
  const answers = [1, 2, 3].map(() => call(ready.traffic))
  await held.untilOpen(3)
  const first = until(/"shutting down"/)
  const second = until(/SIGINT changes nothing/)
  process.kill(-(npm.pid as number), 'SIGINT')
  await first
  // Two signals of a kind that wait for a busy process are one. npm passes this one on, too.
  npm.kill('SIGINT')
  await second
  held.release()
  assert.deepEqual(
    (await Promise.all(answers)).map(({ status }) => status),
    [200, 200, 200],
  )
  const [code] = await exit
  assert.equal(code, 0)
})

test('SIGHUP is no end: not while it serves, not when its terminal is gone, not in a shutdown', async (t) => {
  const held = await holding()
  t.after(() => held.close())
  const gateway = await started(t, { BACKENDS: held.url })
  const before = call(gateway.url)
  await held.untilOpen(1)
  gateway.child.kill('SIGHUP')
  const said = await gateway.line(changesNothing('SIGHUP'))
  assert.match(String(said.msg), /nothing to reload/)
  const after = call(gateway.url)
  await held.untilOpen(2)
  const exit = once(gateway.child, 'exit')
  gateway.child.kill('SIGTERM')
  await gateway.line(shuttingDown)
  // Nobody reads what it prints any more.
  gateway.child.stdout?.destroy()
  gateway.child.kill('SIGHUP')
  gateway.child.kill('SIGPIPE')
  assert.equal((await call(`${gateway.admin}/livez`)).status, 200)
  held.release()
  assert.deepEqual([(await before).status, (await after).status], [200, 200])
  assert.deepEqual(await exit, [0, null])
})

/** A resolver that is silent, and keeps the process as a real look-up does, so that the start takes as long as it is to. */
const SILENT = `import dns from 'node:dns'
dns.lookup = () => {
  setInterval(() => {}, 60_000)
  console.error('asked')
}`

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  for (const [where, env] of [
    ['before the pool is open', { STATE_FILE: 'state.json' }],
    ['while it opens its listeners', { ADMIN_PORT: 'off' }],
  ] as const) {
    test(`${signal} ends a start ${where}, as process 1 of a container, too`, async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'leastwise-'))
      t.after(() => rmSync(folder, { recursive: true }))
      const preload = `data:text/javascript,${encodeURIComponent(SILENT)}`
      const child = spawn(
        process.execPath,
        ['--import', preload, join(root, 'dist/src/cli/main.js'), 'serve'],
        {
          cwd: folder,
          env: { PATH: process.env.PATH, HOST: 'slow.example', PORT: '0', ADMIN_PORT: '0', ...env },
          stdio: ['ignore', 'ignore', 'pipe'],
        },
      )
      t.after(() => child.kill('SIGKILL'))
      const lines = createInterface({ input: child.stderr })
      const [first] = await once(lines, 'line')
      assert.equal(first, 'asked')
      const exit = once(child, 'exit')
      child.kill('SIGHUP')
      child.kill(signal)
      assert.deepEqual(await exit, [0, null])
    })
  }
}

test('a terminal that closes does not end it', { skip: withoutTerminal }, async (t) => {
  const held = await holding()
  t.after(() => held.close())
  const server = join(root, 'dist/src/gateway/main.js')
  const terminal = spawn('script', ['-qec', `exec '${process.execPath}' '${server}'`, '/dev/null'], {
    cwd: tmpdir(),
    env: { PATH: process.env.PATH, SHELL: '/bin/sh', PORT: '0', ADMIN_PORT: '0', BACKENDS: held.url },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ready = await new Promise<Record<string, unknown>>((resolve) => {
    createInterface({ input: terminal.stdout }).on('line', (line) => {
      if (line.includes('"gateway ready"')) resolve(JSON.parse(line))
    })
  })
  const pid = ready.pid as number
  t.after(() => process.kill(pid, 'SIGKILL'))
  const before = call(String(ready.traffic))
  await held.untilOpen(1)
  const closed = once(terminal, 'exit')
  terminal.kill('SIGKILL')
  await closed
  const after = call(String(ready.traffic))
  await held.untilOpen(2)
  held.release()
  assert.deepEqual([(await before).status, (await after).status], [200, 200])
})

test('signals of a broken process end it as the system does', async (t) => {
  for (const signal of ['SIGSEGV', 'SIGABRT'] as const) {
    const gateway = await started(t, {})
    const exit = once(gateway.child, 'exit')
    gateway.child.kill(signal)
    assert.deepEqual(await exit, [null, signal])
  }
})

test('SHUTDOWN_DELAY: readiness fails at once, requests are served as usual for that long', async (t) => {
  const held = await holding()
  t.after(() => held.close())
  const gateway = await started(t, { BACKENDS: `${held.url};id=one`, SHUTDOWN_DELAY: '60000' })
  assert.equal((await call(`${gateway.admin}/readyz`)).status, 200)
  gateway.child.kill('SIGTERM')
  await gateway.line(shuttingDown)
  assert.equal((await call(`${gateway.admin}/readyz`)).status, 503)
  assert.equal((await call(`${gateway.admin}/livez`)).status, 200)
  const { status, text } = await call(`${gateway.admin}/pool`)
  assert.deepEqual([status, JSON.parse(text).closing], [200, true])
  // A connection that is made now, and is kept.
  const answer = call(gateway.url)
  await held.untilOpen(1)
  held.release()
  const { status: served, headers } = await answer
  assert.deepEqual([served, headers.connection], [200, 'keep-alive'])
  // Changes are made meanwhile, too.
  assert.equal((await call(`${gateway.admin}/backends/one/drain`, { method: 'POST' })).status, 202)
  assert.equal(gateway.child.exitCode, null)
})

test('a probe without Host, as that of HAProxy is, is answered; without a token it may ask nothing else', async (t) => {
  const gateway = await started(t, { BACKENDS: 'http://127.0.0.1:1' })
  const ask = (path: string, fields = '') =>
    new RawClient(gateway.admin).send(`GET ${path} HTTP/1.0\r\n${fields}\r\n`).untilClosed()
  assert.match(await ask('/readyz'), /^HTTP\/1\.1 200 /)
  assert.match(await ask('/livez'), /^HTTP\/1\.1 200 /)
  assert.match(await ask('/backends'), /^HTTP\/1\.1 403 /)
  assert.match(await ask('/readyz', 'Host: evil.example\r\n'), /^HTTP\/1\.1 403 /)
})

test('SHUTDOWN_DELAY: a front that probes readiness loses no request', async (t) => {
  const held = await holding()
  t.after(() => held.close())
  held.server.on('arrived', () => setTimeout(() => held.release(), 5))
  const gateway = await started(t, { BACKENDS: held.url, SHUTDOWN_DELAY: '1500' })
  let ready = true
  const statuses = new Map<number, number>()
  const count = (status: number) => statuses.set(status, (statuses.get(status) ?? 0) + 1)
  /** As a balancer does: probes now and then, and sends, each on a new connection, until a probe fails. */
  const probing = (async () => {
    while (ready) {
      await new Promise((resolve) => setTimeout(resolve, 500))
      ready = (await call(`${gateway.admin}/readyz`)).status === 200
    }
  })()
  const sending = Array.from({ length: 8 }, async () => {
    while (ready) {
      try {
        count((await call(gateway.url, { reset: true })).status)
      } catch {
        count(0)
      }
    }
  })
  while ((statuses.get(200) ?? 0) < 50) await new Promise(setImmediate)
  const exit = once(gateway.child, 'exit')
  gateway.child.kill('SIGTERM')
  await Promise.all([probing, ...sending])
  assert.deepEqual([...statuses.keys()], [200])
  assert.deepEqual(await exit, [0, null])
})

test('SHUTDOWN_DELAY: a second signal, a second later, does not wait for it', async (t) => {
  const held = await holding()
  t.after(() => held.close())
  const gateway = await started(t, { BACKENDS: held.url, SHUTDOWN_DELAY: '600000' })
  call(gateway.url).catch(() => {})
  await held.untilOpen(1)
  const exit = once(gateway.child, 'exit')
  // Those that come within the first second do not count.
  const again = setInterval(() => gateway.child.kill('SIGTERM'), 100)
  assert.deepEqual(await exit, [1, null])
  clearInterval(again)
})
