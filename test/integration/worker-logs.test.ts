import assert from 'node:assert/strict'
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

test('a process that exits at once has written what its threads had logged', async () => {
  const child = startLogging({ threads: 2, lines: 1000, length: 500, next: 'exit' })
  for (const lines of linesByThread(await textOf(child.stdout), 2)) assert.deepEqual(lines, upTo(1000))
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
