import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { TestBackend } from '../support/backend.js'
import { openFileGateway } from '../support/file-gateway.js'

test('a client sets who it is neither on the route that says so nor on another one to the same pool', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'leastwise-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const keysFile = join(folder, 'keys')
  writeFileSync(keysFile, `ann:${createHash('sha256').update('secret').digest('hex')}\n`)
  const listen = () =>
    new TestBackend((request, response) => response.end(String(request.headers['x-user']))).listen()
  const [one, other] = await Promise.all([listen(), listen()])
  t.after(() => Promise.all([one.close(), other.close()]))
  const { url } = await openFileGateway(t, {
    pools: { users: { backends: [one.url] }, other: { backends: [other.url] } },
    routes: [
      { match: { path: '/key' }, pool: 'users', auth: { apiKey: { keysFile, forward: 'x-user' } } },
      { match: { path: '/open' }, pool: 'users' },
      { match: { path: '/other' }, pool: 'other' },
    ],
  })
  const ask = async (path: string) => {
    const headers = { 'x-api-key': 'secret', 'X-User': 'root' }
    return (await fetch(url + path, { headers })).text()
  }
  assert.deepEqual([await ask('/key'), await ask('/open'), await ask('/other')], ['ann', 'undefined', 'root'])
})
