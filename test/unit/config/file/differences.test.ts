import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parseConfig } from '../../../../src/config/environment.js'
import { configView } from '../../../../src/config/file/config-view.js'
import { differences, viewDifferences } from '../../../../src/config/file/differences.js'
import { readGatewayFile } from '../../../../src/config/file/read-file.js'

const folder = mkdtempSync(join(tmpdir(), 'leastwise-diff-'))
after(() => rmSync(folder, { recursive: true }))

function read(text: string) {
  writeFileSync(join(folder, 'gateway.yaml'), text)
  return readGatewayFile(join(folder, 'gateway.yaml'), parseConfig({}), {
    TOKEN: 'hunter2',
    HOST: '10.0.0.9',
  })
}

writeFileSync(join(folder, 'secret'), 'hunter3'.repeat(10))
const before = read(`
listen: [{ port: 1 }]
admin: { token: "\${TOKEN}" }
pools: { a: { backends: ["http://\${HOST}:80"] }, b: {} }
routes:
  - { match: { path: /a }, pool: a, auth: { jwt: { secretFile: secret } } }
  - { match: { path: /b }, pool: b }
`)

test('a view has everything but secrets', () => {
  const view = configView(before.config, before.document)
  const text = JSON.stringify(view)
  assert.doesNotMatch(text, /hunter|10\.0\.0\.9/)
  assert.deepEqual(view.pools.a?.backends, ['http://${HOST}:80'])
  assert.match(text, /"secretFile":"secret"/)
  assert.equal(view.pools.a?.retries, 1)
})

test('what another file changes', () => {
  const other = read(`
listen: [{ port: 2 }]
pools: { a: { backends: ["http://\${HOST}:80"], retries: 2 }, c: {} }
routes:
  - { match: { path: /a }, pool: a, auth: { jwt: { secretFile: secret } }, compress: true }
  - { match: { path: /c }, pool: c }
`)
  const expected = [
    { kind: 'added', what: 'listener', name: '127.0.0.1:2' },
    { kind: 'removed', what: 'listener', name: '127.0.0.1:1' },
    { kind: 'changed', what: 'pool', name: 'a', fields: ['retries'] },
    { kind: 'added', what: 'pool', name: 'c' },
    { kind: 'removed', what: 'pool', name: 'b' },
    { kind: 'changed', what: 'route', name: '/a', fields: ['compress'] },
    { kind: 'added', what: 'route', name: '/c' },
    { kind: 'removed', what: 'route', name: '/b' },
  ]
  assert.deepEqual(
    viewDifferences(configView(before.config, before.document), configView(other.config, other.document)),
    expected,
  )
  assert.deepEqual(differences(before.config, other.config), [
    { kind: 'changed', what: 'setting', name: 'admin', fields: ['token'] },
    ...expected,
  ])
  assert.deepEqual(differences(before.config, before.config), [])
})

test('a view has no hash and no secret of a pool', () => {
  const hash = '$2b$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234'
  writeFileSync(join(folder, 'users'), `ann:${hash}`)
  const { config } = readGatewayFile(
    (writeFileSync(
      join(folder, 'gateway.yaml'),
      'pools: { a: {} }\nroutes: [{ match: {}, pool: a, auth: { basic: { usersFile: users } } }]',
    ),
    join(folder, 'gateway.yaml')),
    parseConfig({ AFFINITY_SECRET: 'hunter2hunter2hunter2' }),
    {},
  )
  assert.equal(config.pools[0]?.settings.affinitySecret, 'hunter2hunter2hunter2')
  assert.doesNotMatch(JSON.stringify(configView(config)), /hunter2|2b\$/)
})
