import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { answering, holding } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { ConfigFile, configuredProcess, type Document } from '../support/configured-gateway.js'
import { type GatewayProcess, runServer } from '../support/process.js'
import { RawClient } from '../support/raw.js'

/** A file with a route of this path. */
const fileOf = (backend: string, path: string, route: Document = {}): Document => ({
  pools: { users: { backends: [backend] } },
  routes: [{ name: 'users', match: { path }, pool: 'users', ...route }],
})

/** Resolves to the line of a reload, or of one that failed, which comes after so many lines. */
function reloaded(gateway: GatewayProcess, from: number): Promise<Record<string, unknown>> {
  return gateway.line(
    (line) => gateway.lines.indexOf(line) >= from && /^reload/.test(String(line.event ?? '')),
  )
}

describe('the file of a gateway', { concurrency: true }, () => {
  test('is loaded again by a signal, over the API, and when it or a file that it names has changed', async (t) => {
    const backend = await answering()
    t.after(() => backend.close())
    const gateway = await configuredProcess(t, fileOf(backend.url, '/0'))
    const { file, url, admin } = gateway
    const status = async (path: string, headers: Record<string, string> = {}) =>
      (await call(url + path, { headers })).status
    /** Does something, and resolves to the line of the reload that follows. */
    const after = async (act: () => void) => {
      const from = gateway.lines.length
      act()
      return reloaded(gateway, from)
    }
    const reload = async () => {
      const from = gateway.lines.length
      const reply = await callJson('POST', `${admin}/config/reload`, {})
      await reloaded(gateway, from)
      return reply
    }
    assert.equal(await status('/0'), 200)

    file.write(fileOf(backend.url, '/1'))
    const line = await after(() => gateway.child.kill('SIGHUP'))
    assert.deepEqual([line.event, line.changed], ['reload', 1])
    assert.deepEqual([await status('/0'), await status('/1')], [404, 200])

    file.write(fileOf(backend.url, '/2'))
    const report = await reload()
    assert.deepEqual([report.status, report.json.changes.length], [200, 1])
    assert.deepEqual([await status('/1'), await status('/2')], [404, 200])

    file.write('pools:\n  users: { backends: [] }\nroutes:\n  - { match: { path: /3 }, pool: usres }\n')
    const refused = await reload()
    assert.equal(refused.status, 400)
    assert.equal(refused.json.code, 'LEASTWISE_INVALID_CONFIG')
    assert.deepEqual(
      refused.json.mistakes.map(({ line, column, path }: Record<string, unknown>) => [line, column, path]),
      [[4, 34, 'routes[0].pool']],
    )
    assert.equal(await status('/2'), 200)

    // A file that it names does not exist yet.
    file.replace(fileOf(backend.url, '/2', { auth: { apiKey: { header: 'x-key', keysFile: 'keys' } } }))
    assert.equal((await reload()).status, 400)
    assert.equal(await status('/2'), 200)
    // The hash of "open sesame".
    const hash = '41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb'
    const there = await after(() => writeFileSync(join(file.folder, 'keys'), `ali:${hash}\n`))
    assert.equal(there.event, 'reload', JSON.stringify(there))
    assert.equal(await status('/2'), 401)
    assert.equal(await status('/2', { 'x-key': 'open sesame' }), 200)

    // Kubernetes swaps the folder of a ConfigMap, into which a link leads.
    const mount = (version: string, path: string) => {
      mkdirSync(join(file.folder, version))
      file.write(fileOf(backend.url, path), join(version, 'gateway.yaml'))
      symlinkSync(version, join(file.folder, '..data_tmp'))
      renameSync(join(file.folder, '..data_tmp'), join(file.folder, '..data'))
    }
    mount('..1', '/4')
    symlinkSync('..data/gateway.yaml', join(file.folder, 'link'))
    renameSync(join(file.folder, 'link'), file.path)
    assert.equal((await reload()).status, 200)
    assert.equal(await status('/4'), 200)
    const swapped = await after(() => mount('..2', '/5'))
    assert.equal(swapped.event, 'reload', JSON.stringify(swapped))
    assert.deepEqual([await status('/4'), await status('/5')], [404, 200])

    // Without a file it goes on, and with the file it is as before.
    rmSync(join(file.folder, '..2'), { recursive: true })
    assert.match((await reload()).json.mistakes[0].message, /does not exist/)
    assert.equal(await status('/5'), 200)
    rmSync(file.path)
    mkdirSync(file.path)
    assert.match((await reload()).json.mistakes[0].message, /is a folder/)
    rmSync(file.path, { recursive: true })
    file.write('')
    assert.match((await reload()).json.mistakes[0].message, /is empty/)
    file.write(fileOf(backend.url, '/6'))
    assert.equal((await reload()).status, 200)
    assert.equal(await status('/6'), 200)
    assert.equal(await gateway.stop(), 0)
  })

  test('a hundred signals at once, while requests come', async (t) => {
    const backend = await answering()
    t.after(() => backend.close())
    const gateway = await configuredProcess(t, fileOf(backend.url, '/a'))
    for (let i = 0; i < 100; i++) {
      if (i === 50) gateway.file.write(fileOf(backend.url, '/b'))
      gateway.child.kill('SIGHUP')
      if (i % 10 === 0) await call(`${gateway.url}/a`)
    }
    await gateway.line(({ event, changed }) => event === 'reload' && changed === 1)
    assert.equal((await call(`${gateway.url}/b`)).status, 200)
    assert.equal(await gateway.stop(), 0)
  })

  test('the end during a reload: requests finish, and the exit code is 0', async (t) => {
    const backend = await holding()
    t.after(() => backend.close())
    const gateway = await configuredProcess(t, fileOf(backend.url, '/a'))
    const client = new RawClient(gateway.url).send('GET /a HTTP/1.1\r\nHost: a\r\n\r\n')
    await backend.untilOpen(1)
    const routes = Array.from({ length: 500 }, (_, i) => ({ match: { path: `/${i}` }, pool: 'users' }))
    gateway.file.write({ ...fileOf(backend.url, '/b'), routes })
    gateway.child.kill('SIGHUP')
    gateway.child.kill('SIGTERM')
    gateway.child.kill('SIGHUP')
    const ended = once(gateway.child, 'exit')
    await gateway.line(({ msg }) => msg === 'shutting down')
    backend.release()
    await client.until('held')
    client.close()
    assert.deepEqual(await ended, [0, null])
  })

  test('with mistakes it starts nothing: each has a line, and the exit code is 1', async (t) => {
    const file = new ConfigFile(
      t,
      'pools:\n  users: { backend: [] }\nroutes:\n  - { match: { path: a }, pool: other }\n',
    )
    const { code, stdout, stderr } = await runServer({ CONFIG_FILE: file.path })
    assert.equal(code, 1)
    assert.equal(stdout, '')
    const lines = stderr.trimEnd().split('\n')
    assert.deepEqual(
      lines.map((line) => line.replace(file.path, 'FILE').split(': ', 1)[0]),
      ['FILE:2:12 pools.users.backend', 'FILE:4:22 routes[0].match.path', 'FILE:4:33 routes[0].pool'],
    )
  })
})
