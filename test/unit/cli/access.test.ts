import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { type AccessOptions, accessOf } from '../../../src/cli/access.js'
import { Failure } from '../../../src/cli/failure.js'

const folder = mkdtempSync(join(tmpdir(), 'leastwise-'))
const names = ['LEASTWISE_URL', 'ADMIN_HOST', 'ADMIN_PORT', 'ADMIN_TOKEN'] as const
process.chdir(folder)
after(() => {
  process.chdir(tmpdir())
  rmSync(folder, { recursive: true })
})
beforeEach(() => rmSync('.env', { force: true, recursive: true }))

function access(env: Partial<Record<(typeof names)[number], string>>, options: AccessOptions = {}) {
  for (const name of names) delete process.env[name]
  Object.assign(process.env, env)
  return accessOf(options)
}

const refusal = (message: RegExp) => (error: unknown) =>
  error instanceof Failure && error.exitCode === 2 && message.test(error.message)

test('where the API is: the option, LEASTWISE_URL, ADMIN_HOST and ADMIN_PORT, or the default', () => {
  const env = { LEASTWISE_URL: 'https://b/admin/', ADMIN_HOST: '10.0.0.1', ADMIN_PORT: '4000' }
  assert.equal(access(env, { url: 'HTTP://A:80/x//' }).url, 'http://a/x')
  assert.equal(access(env).url, 'https://b/admin')
  assert.equal(access({ ...env, LEASTWISE_URL: '' }).url, 'http://10.0.0.1:4000')
  assert.equal(access({}).url, 'http://127.0.0.1:3001')
  assert.equal(access({ ADMIN_HOST: 'localhost' }).url, 'http://localhost:3001')
  assert.equal(access({ ADMIN_HOST: 'fd00::1' }).url, 'http://[fd00::1]:3001')
})

test('what listens everywhere is asked on loopback', () => {
  assert.equal(access({ ADMIN_HOST: '0.0.0.0' }).url, 'http://127.0.0.1:3001')
  assert.equal(access({ ADMIN_HOST: '::' }).url, 'http://[::1]:3001')
  assert.equal(access({ ADMIN_HOST: '0:0:0:0:0:0:0:0' }).url, 'http://[::1]:3001')
})

test('.env stands in for variables that are not set', () => {
  writeFileSync('.env', 'ADMIN_PORT=5000\nADMIN_TOKEN="from the file"\n')
  assert.throws(
    () => access({}),
    refusal(/^ADMIN_TOKEN has no token: that is printable ASCII without blanks$/),
  )
  writeFileSync('.env', 'ADMIN_PORT=5000\nADMIN_TOKEN=file\n')
  assert.deepEqual(access({}), { url: 'http://127.0.0.1:5000', token: 'file' })
  assert.deepEqual(access({ ADMIN_PORT: '5001', ADMIN_TOKEN: 'own' }), {
    url: 'http://127.0.0.1:5001',
    token: 'own',
  })
  assert.equal(access({ ADMIN_TOKEN: '' }).token, undefined)
})

test('.env of a folder does not say where a token goes that is not its own', () => {
  writeFileSync('token', 'secret')
  for (const line of ['LEASTWISE_URL=http://10.0.0.1:80', 'ADMIN_HOST=10.0.0.1', 'ADMIN_HOST=localhost.b']) {
    writeFileSync('.env', `${line}\n`)
    assert.throws(
      () => access({ ADMIN_TOKEN: 'own' }),
      refusal(/^\.env in this folder says that .* --url only$/),
    )
    assert.throws(() => access({}, { tokenFile: 'token' }), refusal(/--url only$/))
    assert.equal(access({}).token, undefined)
    assert.equal(access({ ADMIN_TOKEN: 'own' }, { url: 'http://10.0.0.1' }).token, 'own')
    writeFileSync('.env', `${line}\nADMIN_TOKEN=file\n`)
    assert.equal(access({}).token, 'file')
  }
  writeFileSync('.env', 'LEASTWISE_URL=http://[::1]:80\n')
  assert.equal(access({ ADMIN_TOKEN: 'own' }).token, 'own')
})

test('a token may come from a file, which goes before ADMIN_TOKEN', () => {
  writeFileSync('token', 'secret\r\n')
  assert.equal(access({ ADMIN_TOKEN: 'own' }, { tokenFile: 'token' }).token, 'secret')
  writeFileSync('token', '\n')
  assert.throws(() => access({}, { tokenFile: 'token' }), refusal(/^--token-file "token" has no token/))
})

test('what cannot be an address is named', () => {
  assert.throws(() => access({ ADMIN_PORT: 'off' }), refusal(/^ADMIN_PORT is off/))
  assert.throws(() => access({ ADMIN_PORT: '0' }), refusal(/^ADMIN_PORT is 0/))
  assert.throws(() => access({ ADMIN_PORT: '65536' }), refusal(/^ADMIN_PORT does not accept "65536"/))
  assert.throws(() => access({ ADMIN_HOST: 'a b' }), refusal(/^ADMIN_HOST does not accept/))
  assert.throws(() => access({ LEASTWISE_URL: 'b' }), refusal(/^LEASTWISE_URL does not accept "b"/))
  rmSync('.env', { force: true })
})
