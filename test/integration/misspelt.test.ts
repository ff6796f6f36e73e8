import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { complaints, misspelt } from '../../src/config/misspelt.js'
import { settingNames, variable } from '../../src/config/settings.js'
import { answering } from '../support/backend.js'
import { root, runServer, startGateway } from '../support/process.js'

const meant = (name: string, place: 'file' | 'env', value = 'x') => {
  const given = { [name]: value }
  const [found] = place === 'file' ? misspelt(given, {}) : misspelt({}, given)
  return found?.meant
}

test('near misses in the environment', () => {
  for (const [name, setting] of [
    ['BACKEND', 'BACKENDS'],
    ['BAKCENDS', 'BACKENDS'],
    ['backends', 'BACKENDS'],
    ['LEASTWISE_BACKENDS', 'BACKENDS'],
    ['HEALTHPATH', 'HEALTH_PATH'],
    ['HEALTH-PATH', 'HEALTH_PATH'],
    ['healthPath', 'HEALTH_PATH'],
    ['HEALTH_PAHT', 'HEALTH_PATH'],
    ['ADMIN_TOKE', 'ADMIN_TOKEN'],
    ['PORT_ADMIN', 'ADMIN_PORT'],
    ['POLCY', 'POLICY'],
    ['LOGLEVEL', 'LOG_LEVEL'],
    ['port', 'PORT'],
  ] as const)
    assert.equal(meant(name, 'env'), setting, name)
})

test('what is usual in an environment is nobody’s mistake', () => {
  const usual = `HOSTNAME HOSTTYPE HOME LOGNAME MAIL PATH PWD OLDPWD SHELL SHLVL TERM USER LANG LC_ALL TZ EDITOR PAGER DISPLAY
    LS_COLORS SSH_AUTH_SOCK SSH_CONNECTION XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS INVOCATION_ID JOURNAL_STREAM LISTEN_PID
    LISTEN_FDS NOTIFY_SOCKET STATE_DIRECTORY CACHE_DIRECTORY LOGS_DIRECTORY RUNTIME_DIRECTORY CREDENTIALS_DIRECTORY NODE NODE_ENV
    NODE_OPTIONS NODE_PATH NODE_VERSION YARN_VERSION NVM_DIR INIT_CWD COLOR COLORTERM NO_COLOR FORCE_COLOR CI DEBUG PORTS HOSTS
    HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy KUBERNETES_PORT KUBERNETES_SERVICE_HOST
    KUBERNETES_SERVICE_PORT BACKENDS_SERVICE_HOST BACKENDS_SERVICE_PORT ADMIN_SERVICE_HOST ADMIN_SERVICE_PORT DATABASE_URL
    BACKEND_URL REDIS_HOST REDIS_PORT PGHOST PGPORT DB_HOST DB_PORT MYSQL_HOST AWS_REGION AWS_DEFAULT_REGION GATEWAY WORKER
    POLICIES RETRY DRAIN MAX_CONNECTIONS_DB QUEUE_LIMIT_1 npm_config_host npm_package_name LEASTWISE_URL`
  for (const name of usual.trim().split(/\s+/)) assert.equal(meant(name, 'env'), undefined, name)
  // A Service in Kubernetes, as that in docs/deploy, has such variables.
  assert.equal(meant('LEASTWISE_PORT', 'env', 'tcp://10.0.0.1:80'), undefined)
  assert.deepEqual(misspelt({}, { BACKEND: 'x', BACKENDS: 'http://a' }), [], 'both are set')
  assert.deepEqual(misspelt({}, { BACKEND: '' }), [], 'empty counts as not set')
  for (const name of settingNames) assert.deepEqual(misspelt({ [variable(name)]: '' }, {}), [])
})

test('in .env every name that is no setting is said', () => {
  const slips = misspelt(
    { PROT: '1', BACKEND: '', 'health.path': '', FOO: 'secret', BAR: '', LEASTWISE_URL: 'x' },
    {},
  )
  assert.deepEqual(complaints(slips), [
    'PROT in .env is no setting: PORT was probably meant',
    'BACKEND in .env is no setting: BACKENDS was probably meant',
    'health.path in .env is no setting: HEALTH_PATH was probably meant',
    'in .env these are no settings, and are ignored: FOO, BAR',
  ])
})

test('in .env settings of other programs are not taken for ours', () => {
  for (const name of ['DB_PORT', 'DB_HOST', 'X_HOST', 'API_PORT', 'PORT_DB', 'MY_POLICY', 'VIA_X'])
    assert.equal(meant(name, 'file'), undefined, name)
  for (const [name, setting] of [
    ['LEASTWISE_PORT', 'PORT'],
    ['PORT_ADMIN', 'ADMIN_PORT'],
    ['ADMN_PORT', 'ADMIN_PORT'],
  ] as const)
    assert.equal(meant(name, 'file'), setting, name)
})

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
