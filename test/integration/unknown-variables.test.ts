import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { answering } from '../support/backend.js'
import { root, runServer, startGateway } from '../support/process.js'

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'leastwise-'))
  t.after(() => rmSync(made, { recursive: true }))
  return made
}

const server = [join(root, 'dist/src/gateway/main.js')]
const warnings = (lines: Record<string, unknown>[]) =>
  lines.filter(({ level }) => level === 40).map(({ msg }) => msg)

test('a start with misspelt names and without a backend warns, and serves', async (t) => {
  const here = folder(t)
  writeFileSync(
    join(here, '.env'),
    '# ours\nQUEUE_LIMITS=5\nBACKENDS http://10.0.0.1\n\nexport WHATEVER=1\nPOLICY: round-robin\nQUEUE_TIMEOUT = 7\nX_FORM="a\nb c\n"\n',
  )
  const gateway = await startGateway({ BACKEND: 'http://10.0.0.1' }, server, here)
  t.after(() => gateway.stop('SIGKILL'))
  await gateway.line(({ msg }) => String(msg).startsWith('there is no backend'))
  assert.deepEqual(warnings(gateway.lines), [
    'QUEUE_LIMITS in .env is no setting: QUEUE_LIMIT was probably meant',
    'BACKEND in the environment is no setting: BACKENDS was probably meant',
    'in .env these are no settings, and are ignored: WHATEVER, X_FORM',
    'line 3 of .env is not understood, and is ignored: it takes NAME=value',
    'there is no backend: BACKENDS is empty, and requests are answered 503 until one is registered over the admin API',
  ])
})

test('a .env in UTF-16 is not read as something else', async (t) => {
  const cwd = folder(t)
  writeFileSync(join(cwd, '.env'), '\ufeffPORT=0\r\n', 'utf16le')
  const { code, stderr } = await runServer({}, cwd)
  assert.equal(code, 1)
  assert.equal(stderr, 'leastwise: .env is UTF-16, as PowerShell writes it: it has to be UTF-8\n')
})

test('a start as it should be does not warn; backends of the state file are backends', async (t) => {
  const backend = await answering()
  t.after(() => backend.close())
  const here = folder(t)
  const env = { STATE_FILE: join(here, 'state.json') }
  const first = await startGateway({ ...env, BACKENDS: backend.url }, server, here)
  await first.stop()
  assert.deepEqual(warnings(first.lines), [])
  const added = await startGateway(env, server, here)
  await fetch(`${added.admin}/backends`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ url: backend.url }),
  })
  await added.stop()
  const restored = await startGateway(env, server, here)
  await restored.stop()
  assert.deepEqual(warnings(restored.lines), [])
})

test('without an admin API the warning says that nobody can register one', async (t) => {
  const gateway = await startGateway({ ADMIN_PORT: 'off' })
  t.after(() => gateway.stop('SIGKILL'))
  await gateway.line(({ msg }) => /^there is no backend, and no admin API/.test(String(msg)))
})

test('an error says that the setting stands there under a wrong name', async (t) => {
  const { code, stderr } = await runServer({ ADMIN_HOST: '0.0.0.0', ADMIN_TOKE: 'hush' }, folder(t))
  assert.equal(code, 1)
  assert.match(
    stderr,
    /^leastwise: ADMIN_TOKEN is required .*\(ADMIN_TOKE in the environment is no setting: ADMIN_TOKEN was probably meant\)\n$/,
  )
  assert.doesNotMatch(stderr, /hush/)
})
