import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { callJson } from '../support/client.js'
import { ConfigFile } from '../support/configured-gateway.js'
import { startGateway } from '../support/process.js'

const TOKEN = 'the-token-of-the-admin-api'
const AFFINITY_SECRET = 'the-secret-of-the-cookies-0123456789'
const JWT_SECRET = 'the-secret-of-the-issuer-0123456789abcdef'
const FROM_ENVIRONMENT = 'what-the-environment-says'
const API_KEY_HASH = '41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb'
const PASSWORD_HASH = '$2b$04$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde'

test('neither the API nor the log has a secret of the file', async (t) => {
  const { publicKey } = generateKeyPairSync('ed25519')
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const file = new ConfigFile(t, {
    admin: { port: 0, tokenFile: 'token' },
    pools: {
      users: {
        backends: ['http://127.0.0.1:1'],
        affinity: 'cookie',
        affinitySecret: '${AFFINITY_SECRET_OF_USERS}',
      },
    },
    routes: [
      {
        name: 'basic',
        match: { path: '/basic' },
        pool: 'users',
        auth: { basic: { usersFile: 'users' } },
      },
      { name: 'key', match: { path: '/key' }, pool: 'users', auth: { apiKey: { keysFile: 'keys' } } },
      {
        name: 'secret',
        match: { path: '/secret' },
        pool: 'users',
        auth: { jwt: { secretFile: 'secret', algorithms: ['HS256'] } },
      },
      {
        name: 'public',
        match: { path: '/public', headers: { 'x-pass': '${FROM_ENVIRONMENT}' } },
        pool: 'users',
        auth: { jwt: { publicKeyFile: 'public.pem', algorithms: ['EdDSA'] } },
        headers: { request: { set: { 'x-to-backend': '${FROM_ENVIRONMENT}' } } },
      },
    ],
  })
  const contents = {
    token: TOKEN,
    users: `alice:${PASSWORD_HASH}\n`,
    keys: `bob:${API_KEY_HASH}\n`,
    secret: JWT_SECRET,
    'public.pem': pem,
  }
  for (const [name, content] of Object.entries(contents)) writeFileSync(join(file.folder, name), content)
  const gateway = await startGateway({
    CONFIG_FILE: file.path,
    AFFINITY_SECRET_OF_USERS: AFFINITY_SECRET,
    FROM_ENVIRONMENT,
  })
  t.after(() => gateway.stop('SIGKILL'))
  const headers = { authorization: `Bearer ${TOKEN}` }
  const get = async (path: string) => (await callJson('GET', gateway.admin + path, undefined, headers)).text
  const reloaded = await callJson('POST', `${gateway.admin}/config/reload`, {}, headers)
  assert.equal(reloaded.status, 200)
  const paths = ['/config', '/pools', '/pools/users/backends', '/routes', '/routes/public']
  const seen = await Promise.all(paths.map(get))
  seen.push(reloaded.text, JSON.stringify(gateway.lines))
  for (const secret of [
    TOKEN,
    AFFINITY_SECRET,
    JWT_SECRET,
    FROM_ENVIRONMENT,
    API_KEY_HASH,
    PASSWORD_HASH,
    pem.split('\n')[1] as string,
  ])
    for (const text of seen) assert.ok(!text.includes(secret), `${secret} is in ${text}`)
  // What has them is named.
  const config = JSON.parse(seen[0] as string)
  assert.deepEqual(config.routes[0].auth.basic.usersFile, 'users')
  assert.deepEqual(config.routes[1].auth.apiKey.keysFile, 'keys')
  assert.deepEqual(config.routes[2].auth.jwt.secretFile, 'secret')
  assert.deepEqual(config.routes[3].headers.request.set, { 'x-to-backend': '${FROM_ENVIRONMENT}' })
  assert.equal(config.admin.token, undefined)

  // Another token comes into force with a reload, and none takes a restart.
  const reload = (token: string) =>
    callJson('POST', `${gateway.admin}/config/reload`, {}, { authorization: `Bearer ${token}` })
  writeFileSync(join(file.folder, 'token'), 'another-token')
  assert.deepEqual((await reload(TOKEN)).json, {
    changes: [{ kind: 'changed', what: 'setting', name: 'admin' }],
  })
  assert.equal((await reload(TOKEN)).status, 401)
  assert.equal((await reload('another-token')).status, 200)
  assert.equal((await reload('another-tokem')).status, 401)
  file.write({ pools: { users: {} }, admin: { port: 0 } })
  assert.match((await reload('another-token')).json.mistakes[0].message, /takes a restart/)
})
