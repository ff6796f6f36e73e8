import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { root, startGateway } from '../support/process.js'
import { testWorkers } from '../support/shared-port.js'

const folder = mkdtempSync(join(tmpdir(), 'leastwise-cli-file-'))
after(() => rmSync(folder, { recursive: true }))

// The settings of a pool that `startGateway` has in its environment are the defaults of the files here as well.
const env = { PATH: process.env.PATH, MAX_EVENT_LOOP_DELAY: '0', WORKERS: testWorkers }

function leastwise(...args: string[]) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((done) => {
    const options = { cwd: folder, env }
    execFile(
      process.execPath,
      [join(root, 'dist/src/cli/main.js'), ...args],
      options,
      (error, stdout, stderr) => done({ code: Number(error?.code ?? 0), stdout, stderr }),
    )
  })
}

writeFileSync(join(folder, 'a.yaml'), 'pools: { a: {} }\nroutes: [{ match: { path: /a }, pool: a }]\n')
writeFileSync(
  join(folder, 'b.yaml'),
  'pools: { a: { retries: 3, backends: [http://b] } }\nroutes: [{ match: { path: /b }, pool: a }]\n',
)
writeFileSync(join(folder, 'bad.yaml'), 'pools: { a: { retires: 3 } }\nroutes: [{ match: {}, pool: b }]\n')

test('check prints a summary, or every mistake', async () => {
  const [good, bad, none] = await Promise.all([
    leastwise('check', '--config', 'a.yaml'),
    leastwise('check', '--config', 'bad.yaml'),
    leastwise('check'),
  ])
  assert.deepEqual(good, { code: 0, stdout: 'a.yaml is good: 1 listener, 1 pool, 1 route\n', stderr: '' })
  assert.equal(bad.code, 1)
  assert.equal(
    bad.stderr,
    'bad.yaml:1:15 pools.a.retires: is not known; did you mean "retries"?\nbad.yaml:2:29 routes[0].pool: there is no pool "b"\n',
  )
  assert.equal(none.code, 2)
})

test('diff prints what a file would change, and schema a JSON Schema', async () => {
  const [other, same, schema] = await Promise.all([
    leastwise('diff', '--config', 'b.yaml', '--with', 'a.yaml'),
    leastwise('diff', '--config', 'a.yaml', '--with', 'a.yaml'),
    leastwise('schema'),
  ])
  assert.deepEqual(other, {
    code: 1,
    stdout: '~ pool a\n    + backend http://b\n    retries: 1 -> 3\n+ route /b\n- route /a\n',
    stderr: '',
  })
  assert.deepEqual(same, { code: 0, stdout: 'nothing would change\n', stderr: '' })
  assert.equal(JSON.parse(schema.stdout).$schema, 'https://json-schema.org/draft/2020-12/schema')
})

test('diff compares with what runs', async (t) => {
  const listen = 'listen: [{ port: 0 }]\nadmin: { port: 0 }\n'
  const file = (pool: string) =>
    `${listen}pools: { a: ${pool} }\nroutes: [{ match: { path: /a }, pool: a }]\n`
  writeFileSync(join(folder, 'runs.yaml'), file('{}'))
  writeFileSync(
    join(folder, 'next.yaml'),
    file('{ queueLimit: 5, healthPath: /up }').replace('admin: { port: 0 }', 'admin: off'),
  )
  const gateway = await startGateway({ CONFIG_FILE: join(folder, 'runs.yaml') })
  t.after(() => gateway.stop())
  const diff = (name: string) => leastwise('diff', '--config', name, '--url', gateway.admin)
  const [same, other] = await Promise.all([diff('runs.yaml'), diff('next.yaml')])
  assert.deepEqual(same, { code: 0, stdout: 'nothing would change\n', stderr: '' })
  assert.deepEqual(other.stdout.split('\n').slice(0, 3), [
    '~ setting admin: {"host":"127.0.0.1","port":0} -> off',
    '~ pool a',
    '    queueLimit: 1000 -> 5',
  ])
})
