import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { test } from 'node:test'
import {
  endedThreads,
  linesByThread,
  slowReader,
  startLogging,
  textOf,
  upTo,
} from '../scenarios/worker-logs.js'
import { answering } from '../support/backend.js'
import { spawn } from '../support/children.js'
import { call } from '../support/client.js'
import { parseExposition } from '../support/exposition.js'
import { freePort, root, startGateway } from '../support/process.js'
import { noSharedPort } from '../support/shared-port.js'
import { until } from '../support/until.js'

slowReader({ lines: 300, pauseBytes: 65_536, pause: 1 })
endedThreads({ runs: 1, threads: 3 })

test('lines of threads that go on do not wait for their end', async () => {
  const child = startLogging({ threads: 2, lines: 10, next: 'stay' })
  let text = ''
  for await (const chunk of child.stdout as Readable) {
    text += chunk
    if (text.split('\n').length > 20) break
  }
  child.kill('SIGKILL')
  for (const lines of linesByThread(text, 2)) assert.deepEqual(lines, upTo(10))
})

test('a process that exits at once has written what its threads had logged, and then its own line', async () => {
  const child = startLogging({ threads: 2, lines: 1000, length: 14_000, next: 'exit' })
  const text = await textOf(child.stdout)
  const last = text.lastIndexOf('\n', text.length - 2) + 1
  assert.equal(JSON.parse(text.slice(last)).msg, 'at last')
  for (const lines of linesByThread(text.slice(0, last), 2)) assert.deepEqual(lines, upTo(1000))
})

test('the last lines of a thread that ends by an error are there', async () => {
  const child = startLogging({ threads: 2, lines: 10, next: 'fatal' })
  for (const lines of linesByThread(await textOf(child.stdout), 2)) assert.deepEqual(lines, upTo(11))
})

test('lines for which there is no room are counted for all threads, and one line says how many', async () => {
  // While nobody writes them there is room for 8 MB of each thread.
  const child = startLogging({ threads: 2, lines: 1500, length: 20_000, next: 'end' })
  const [text, said] = await Promise.all([textOf(child.stdout), textOf(child.stderr)])
  const dropped = Number(said)
  assert.ok(dropped > 0)
  assert.equal(linesByThread(text, 2).flat().length, 2 * 1500 - dropped)
  const reports = text.split('\n').filter((line) => line.includes('"dropped"'))
  assert.deepEqual(
    reports.map((line) => JSON.parse(line)),
    [{ level: 40, lines: dropped, total: dropped, msg: 'dropped' }],
  )
})

test('lines of all threads that cannot be written are counted', async () => {
  const child = startLogging({ threads: 3, lines: 3, next: 'end' }, openSync('/dev/full', 'w'))
  assert.equal(await textOf(child.stderr), '9\n')
})

test('lines of all threads go into a file', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'leastwise-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'log')
  const child = startLogging({ threads: 2, lines: 1000, length: 2000, next: 'end' }, openSync(path, 'w'))
  assert.equal(await textOf(child.stderr), '0\n')
  for (const lines of linesByThread(readFileSync(path, 'utf8'), 2)) assert.deepEqual(lines, upTo(1000))
})

test('lines of threads can be formatted for people', async () => {
  const child = startLogging({ threads: 2, lines: 2, next: 'end', pretty: true })
  const lines = (await textOf(child.stdout)).trim().split('\n')
  const expected = [0, 1].flatMap((thread) =>
    [0, 1].map((i) => `INFO: line {"thread":${thread},"i":${i},"fill":""}`),
  )
  assert.deepEqual(lines.toSorted(), expected)
})

test('a gateway with workers has one log, and stops with all lines written', {
  skip: noSharedPort,
}, async (t) => {
  const backend = await answering()
  t.after(() => backend.close())
  const gateway = await startGateway({ WORKERS: '2', BACKENDS: backend.url })
  t.after(() => gateway.stop('SIGKILL'))
  // A connection for each, so that each worker gets some of them.
  const fields = { headers: { connection: 'close' } }
  await Promise.all(upTo(100).map((i) => call(`${gateway.url}/${i}`, fields)))
  const ended = once(gateway.child, 'close')
  assert.equal(await gateway.stop(), 0)
  await ended
  const paths = gateway.lines.filter(({ msg }) => msg === 'request').map(({ path }) => path)
  assert.deepEqual(new Set(paths), new Set(upTo(100).map((i) => `/${i}`)))
  assert.equal(paths.length, 100)
})

test('lines of workers that are dropped are counted on the page of metrics', {
  skip: noSharedPort,
}, async (t) => {
  const [port, adminPort] = [await freePort(), await freePort()]
  const gateway = spawn(process.execPath, [`${root}/dist/src/gateway/main.js`], {
    env: { PATH: process.env.PATH, WORKERS: '2', PORT: String(port), ADMIN_PORT: String(adminPort) },
    stdio: ['ignore', openSync('/dev/full', 'w'), 'inherit'],
  })
  t.after(() => gateway.kill('SIGKILL'))
  const dropped = () =>
    call(`http://127.0.0.1:${adminPort}/metrics`).then(
      ({ text }) => parseExposition(text).sum('leastwise_log_lines_dropped_total'),
      () => 0,
    )
  await until(
    () =>
      call(`http://127.0.0.1:${port}/`).then(
        ({ status }) => status,
        () => 0,
      ),
    (status) => status === 503,
  )
  const before = await dropped()
  await Promise.all(upTo(50).map(() => call(`http://127.0.0.1:${port}/`)))
  await until(dropped, (lines) => lines >= before + 50)
})
