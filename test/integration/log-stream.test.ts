import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { spawn } from '../support/children.js'
import { start } from '../support/process.js'

const url = new URL('../../src/gateway/logging/log-stream.js', import.meta.url)
const script = (text: string) => [
  '--input-type=module',
  '-e',
  `import { pino } from 'pino'
   import { logStream } from '${url}'
   const logger = pino({ base: null, timestamp: false }, logStream())
   ${text}`,
]

const cwd = new URL('../../../', import.meta.url).pathname
const messages = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).msg)

test('lines are there, whole and in order, also of a process that exits at once', async () => {
  const many = 'for (let i = 0; i < 5000; i++) logger.info(String(i))'
  for (const end of ['', 'process.exit(0)', "logger.fatal('5000'); process.exit(1)"]) {
    const { stdout } = await start(script(`${many}\n${end}`), { cwd }).ended
    const expected = Array.from({ length: end.includes('fatal') ? 5001 : 5000 }, (_, i) => String(i))
    assert.deepEqual(messages(stdout), expected, end)
  }
})

test('a line does not wait for a busy process to end', async () => {
  const { process: child, ended } = start(script("logger.info('first'); setInterval(() => {}, 1000)"), {
    cwd,
  })
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  child.kill()
  assert.deepEqual(messages((await ended).stdout), ['first'])
})

test('nobody to read it, or no room for it, is no reason to fail', async () => {
  const full = spawn(process.execPath, script("logger.info('x')"), {
    cwd,
    stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
  })
  const [code] = await once(full, 'close')
  assert.ok(code !== null, 'it ends by itself')
  const { process: child, ended } = start(
    script("setInterval(() => logger.info('x'), 5); setTimeout(() => process.exit(0), 300)"),
    { cwd },
  )
  child.stdout?.destroy()
  assert.equal((await ended).code, 0)
})

test('a pipe that nobody reads keeps no process from its end', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'leastwise-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'pipe')
  execFileSync('mkfifo', [path])
  // Writing and reading, so that it can be opened, and blocking, as a pipe of a shell is.
  const pipe = openSync(path, 'r+')
  t.after(() => closeSync(pipe))
  const child = spawn(
    process.execPath,
    script(`for (let i = 0; i < 5000; i++) logger.info('x'.repeat(100))
      setTimeout(() => process.exit(0), 200)`),
    { cwd, stdio: ['ignore', pipe, 'inherit'] },
  )
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000)
  const [code] = await once(child, 'close')
  clearTimeout(late)
  assert.equal(code, 0)
})

/** A script that says on standard error how many lines were dropped. */
const counting = (text: string) => [
  '--input-type=module',
  '-e',
  `import { pino } from 'pino'
   import { logStream } from '${url}'
   const stream = logStream((lines, total) => logger.warn({ lines, total }, 'dropped'))
   const logger = pino({ base: null, timestamp: false }, stream)
   ${text}`,
]

test('lines for which there is no room are counted, and a line says so where they are missing', async () => {
  // More than may wait for a reader.
  const child = spawn(
    process.execPath,
    counting(`for (let i = 0; i < 40_000; i++) logger.info('x'.repeat(1000))
      console.error(stream.dropped())`),
    { cwd, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const [text] = await once(child.stderr, 'data')
  const dropped = Number(text)
  assert.ok(dropped > 0)
  // Only now somebody reads.
  const said = (await child.stdout.setEncoding('latin1').toArray()).join('')
  const lines = said
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    lines.filter(({ msg }) => msg === 'dropped').map(({ lines, total }) => [lines, total]),
    [[dropped, dropped]],
  )
  assert.equal(lines.length, 40_000 - dropped + 1)
  assert.equal(lines.at(-1).msg, 'dropped')
})

test('lines that cannot be written are counted', async () => {
  const full = spawn(
    process.execPath,
    counting(`for (let i = 0; i < 3; i++) logger.info('x')
      process.on('exit', () => console.error(stream.dropped()))`),
    { cwd, stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'] },
  )
  const [said] = await once(full.stderr as NodeJS.ReadableStream, 'data')
  assert.equal(String(said), '3\n')
})
