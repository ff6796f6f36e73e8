import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { spawn } from '../support/children.js'
import { call } from '../support/client.js'
import { fencesOf } from '../support/markdown.js'
import { root } from '../support/process.js'
import { until } from '../support/until.js'

/** The configuration that the page recommends. */
const recommended = fencesOf('docs/observability.md').find(({ language }) => language === 'logrotate')?.code

const hasLogrotate = !spawnSync('logrotate', ['--version']).error

test('a log that is appended to a file is rotated as the page says, and no line is lost or damaged', async (t) => {
  assert.match(recommended ?? '', /^\s*copytruncate$/m)
  const folder = mkdtempSync(join(tmpdir(), 'leastwise-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const log = join(folder, 'leastwise.log')
  // What a shell does for `>>`.
  const file = openSync(log, 'a')
  const gateway = spawn(process.execPath, [join(root, 'dist/src/gateway/main.js')], {
    cwd: folder,
    env: { ...process.env, PORT: '0', ADMIN_PORT: 'off' },
    stdio: ['ignore', file, 'inherit'],
  })
  closeSync(file)
  t.after(() => gateway.kill('SIGKILL'))
  const linesIn = (name: string): Record<string, unknown>[] =>
    readFileSync(name, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  const line = async (name: string, wanted: Record<string, unknown>) => {
    const found = () =>
      linesIn(name).find((entry) => Object.entries(wanted).every(([k, v]) => entry[k] === v))
    return (await until(found, (seen) => seen !== undefined)) as Record<string, unknown>
  }
  const { traffic } = await line(log, { msg: 'gateway ready' })
  await call(`${traffic}/before`)
  await line(log, { path: '/before' })

  rotate(log, folder)

  await call(`${traffic}/after`)
  await line(log, { path: '/after' })
  assert.deepEqual(
    linesIn(log).map(({ path }) => path),
    ['/after'],
  )
  assert.equal(linesIn(`${log}.1`).at(-1)?.path, '/before')
})

/** Rotates by logrotate with the recommended configuration; where there is none, does what `copytruncate` says. */
function rotate(log: string, folder: string): void {
  if (!hasLogrotate) {
    copyFileSync(log, `${log}.1`)
    truncateSync(log)
    return
  }
  const config = join(folder, 'logrotate.conf')
  writeFileSync(config, String(recommended).replace('/var/log/leastwise/leastwise.log', log), { mode: 0o644 })
  const { status, stderr } = spawnSync('logrotate', ['--force', '--state', join(folder, 'state'), config], {
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
}
