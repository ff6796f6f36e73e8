import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settingNames, variable } from '../../../src/config/settings.js'
import { unknownVariables, warningsOf } from '../../../src/config/unknown-variables.js'

const meant = (name: string, place: 'file' | 'env', value = 'x') => {
  const given = { [name]: value }
  const [found] = place === 'file' ? unknownVariables(given, {}) : unknownVariables({}, given)
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
    ['WORKES', 'WORKERS'],
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
  assert.deepEqual(unknownVariables({}, { BACKEND: 'x', BACKENDS: 'http://a' }), [], 'both are set')
  assert.deepEqual(unknownVariables({}, { BACKEND: '' }), [], 'empty counts as not set')
  for (const name of settingNames) assert.deepEqual(unknownVariables({ [variable(name)]: '' }, {}), [])
})

test('in .env every name that is no setting is said', () => {
  const unknown = unknownVariables(
    { PROT: '1', BACKEND: '', 'health.path': '', FOO: 'secret', BAR: '', LEASTWISE_URL: 'x' },
    {},
  )
  assert.deepEqual(warningsOf(unknown), [
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
    ['WORKER', 'WORKERS'],
  ] as const)
    assert.equal(meant(name, 'file'), setting, name)
})
