import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openBalancer, type PoolState } from '../../../src/balancer/index.js'
import { replaceFile } from '../../../src/stores/atomic-write.js'
import { stateFile } from '../../../src/stores/state-file.js'

const empty: PoolState = {
  version: 1,
  policy: { name: 'least-connections', configured: 'least-connections' },
  backends: [],
  removed: [],
}

function folder(t: TestContext): string {
  const path = fs.mkdtempSync(join(tmpdir(), 'leastwise-'))
  t.after(() => fs.rmSync(path, { recursive: true }))
  return path
}

/** Opens a pool on a file, as somebody who is not root if need be, and lets go of it again. */
async function opened(path: string, backends: string[] = []): Promise<void> {
  const balancer = await openBalancer({ backends }, stateFile(path, 'STATE_FILE'))
  await balancer.keeper?.close()
  balancer.close()
}

/** What it says when it refuses the file. */
async function refusal(path: string): Promise<string> {
  const error = await opened(path).then(
    () => assert.fail(`${path} was taken`),
    (error: Error & { code: string }) => error,
  )
  assert.equal(error.code, 'LEASTWISE_STORE', String(error.stack))
  assert.doesNotMatch(error.message, /\n/)
  const [start, why] = error.message.split(': ', 2) as [string, string]
  assert.match(start, new RegExp(`^STATE_FILE "${path}" cannot be (used|written)$`))
  return error.message.slice(start.length + 2) || why
}

test('a file that is no state is refused with the reason and stays as it is', async (t) => {
  const path = join(folder(t), 'state.json')
  const good = JSON.stringify({ writer: 'x', ...empty })
  const backend = { url: 'http://a:1', id: 'a', weight: 1, state: 'active', addedAt: '2026-01-01T00:00:00Z' }
  const kinds: [string | Uint8Array, RegExp][] = [
    ['', /^it is empty/],
    ['\n', /^it is not JSON: it ends too early, at line 2, column 1$/],
    [good.slice(0, -1), /^it is not JSON/],
    [good.slice(0, 20), /^it is not JSON/],
    [`${good}${good}`, /^it is not JSON/],
    ['{"a":\u2028\n\u0000}', /^it is not JSON/],
    ['null', /^it is no JSON object/],
    ['[]', /^it is no JSON object/],
    ['"text"', /^it is no JSON object/],
    ['{}', /^version must be 1/],
    ['{"name":"leastwise","version":"0.1.0"}', /^version must be 1/],
    [JSON.stringify({ ...empty, version: 2 }), /^version must be 1/],
    [JSON.stringify({ ...empty, __proto: 1 }), /^it has a field that is not known/],
    [
      JSON.stringify({ ...empty, backends: [{ ...backend, weight: 0 }] }),
      /^backends\[0\]\.weight must be a whole/,
    ],
    [JSON.stringify({ ...empty, backends: [{ ...backend, url: 'a:1' }] }), /^backends\[0\]\.url must start/],
    [Buffer.concat([Buffer.from(good), Buffer.of(0xff)]), /^it is not UTF-8/],
    [Buffer.from(good, 'utf16le'), /^it is not JSON/],
    [new Uint8Array(4096), /^it is not JSON/],
    [randomBytes(100_000), /^it is not UTF-8/],
  ]
  for (const [content, message] of kinds) {
    fs.writeFileSync(path, content)
    assert.match(await refusal(path), message)
    assert.deepEqual(fs.readFileSync(path), Buffer.from(content))
    assert.deepEqual(fs.readdirSync(join(path, '..')), ['state.json'])
  }
  fs.writeFileSync(path, good)
  await opened(path)
})

test('what is no file is refused', async (t) => {
  const home = folder(t)
  fs.mkdirSync(join(home, 'folder'))
  fs.symlinkSync(join(home, 'nowhere'), join(home, 'dangling'))
  fs.symlinkSync(join(home, 'loop'), join(home, 'loop'))
  execFileSync('mkfifo', [join(home, 'pipe')])
  fs.writeFileSync(join(home, 'plain'), '')
  fs.truncateSync(join(home, 'plain'), 2 ** 31)
  const kinds: [string, RegExp][] = [
    [join(home, 'folder'), /^it is a folder$/],
    [join(home, 'pipe'), /^it is a device, a pipe or a socket$/],
    ['/dev/full', /^it is a device, a pipe or a socket$/],
    ['/dev/null', /^it is a device, a pipe or a socket$/],
    [join(home, 'dangling'), /^it is a symbolic link that leads nowhere$/],
    [join(home, 'loop'), /^ELOOP/],
    [join(home, 'plain'), /^it is larger than/],
    [join(home, 'plain', 'state.json'), /^ENOTDIR/],
    [join(home, 'missing', 'state.json'), /^ENOENT: its folder is not there$/],
    [join(home, 'x'.repeat(300)), /^ENAMETOOLONG/],
  ]
  for (const [path, message] of kinds) assert.match(await refusal(path), message)
})

test('a file or a folder that one may not read or write is refused', async (t) => {
  const home = folder(t)
  const { geteuid, seteuid } = process
  if (!geteuid || !seteuid) return t.skip('there are no such permissions here')
  fs.chmodSync(home, 0o755)
  fs.mkdirSync(join(home, 'closed'), { mode: 0o700 })
  fs.writeFileSync(join(home, 'closed', 'state.json'), '')
  fs.mkdirSync(join(home, 'fixed'), { mode: 0o555 })
  fs.writeFileSync(join(home, 'fixed', 'state.json'), JSON.stringify(empty))
  fs.writeFileSync(join(home, 'state.json'), JSON.stringify(empty), { mode: 0o200 })
  const root = geteuid() === 0
  // To somebody else all of them are as they look.
  if (root) seteuid(65_534)
  else fs.chmodSync(join(home, 'closed'), 0)
  try {
    assert.match(await refusal(join(home, 'closed', 'state.json')), /^EACCES: permission denied$/)
    assert.match(await refusal(join(home, 'state.json')), /^EACCES: permission denied$/)
    assert.match(await refusal(join(home, 'fixed', 'state.json')), /^EACCES: permission denied$/)
    assert.match(await refusal(join(home, 'fixed', 'new.json')), /^EACCES: permission denied$/)
  } finally {
    if (root) seteuid(0)
    else fs.chmodSync(join(home, 'closed'), 0o700)
  }
})

test('a missing file is made at the start; mode, owner and a link to the file are kept', async (t) => {
  const home = folder(t)
  const [path, link] = [join(home, 'state.json'), join(home, 'link.json')]
  fs.symlinkSync(path, link)
  fs.writeFileSync(path, JSON.stringify(empty))
  fs.chmodSync(path, 0o640)
  const root = process.geteuid?.() === 0
  if (root) fs.chownSync(path, 65_534, 65_533)
  await opened(link, ['http://a:1'])
  const { mode, uid, gid } = fs.statSync(path)
  assert.equal(mode & 0o777, 0o640)
  if (root) assert.deepEqual([uid, gid], [65_534, 65_533])
  assert.ok(fs.lstatSync(link).isSymbolicLink())
  assert.equal(JSON.parse(fs.readFileSync(path, 'utf8')).backends[0].id, 'a-1')
  fs.rmSync(path)
  await opened(path)
  assert.ok(fs.existsSync(path))
})

test('what a killed process left beside the file is removed, and nothing else', async (t) => {
  const home = folder(t)
  const others = [
    'other.json.0123456789ab.tmp',
    'state.json.bak',
    'state.json.tmp',
    'state.json.0123456789a.tmp',
  ]
  for (const name of [...others, 'state.json.0123456789ab.tmp', 'state.json.ffffffffffff.tmp']) {
    fs.writeFileSync(join(home, name), '')
  }
  await opened(join(home, 'state.json'))
  assert.deepEqual(fs.readdirSync(home), [...others, 'state.json'].sort())
})

test('a save that fails leaves nothing behind, and the next one is as good', async (t) => {
  const home = folder(t)
  const path = join(home, 'state.json')
  // A rename over a folder fails, after all the rest went well.
  fs.mkdirSync(path)
  await assert.rejects(replaceFile(path, Buffer.from('new')), { code: 'EISDIR' })
  assert.deepEqual(fs.readdirSync(home), ['state.json'])
  fs.rmdirSync(path)
  const store = stateFile(path)
  await store.load()
  await store.save(empty)
  fs.rmSync(path)
  fs.mkdirSync(path)
  await assert.rejects(store.save(empty), { message: 'it is a folder' })
  fs.rmdirSync(path)
  await store.save(empty)
  assert.ok(fs.statSync(path).isFile())
  await store.close?.()
})

test('a file that somebody else has written is left alone', async (t) => {
  const path = join(folder(t), 'state.json')
  const store = stateFile(path)
  await store.load()
  await store.save(empty)
  await assert.rejects(stateFile(path).load(), { message: 'another pool of this process uses it' })
  // As it looks from another process: written anew, with the same state.
  const theirs = fs.readFileSync(path, 'utf8').replace(/"writer": "\w+"/, '"writer": "them"')
  fs.writeFileSync(path, theirs)
  const refused = { message: 'something else has written it, and it is left alone until the next start' }
  await assert.rejects(store.save(empty), refused)
  await assert.rejects(store.save(empty), refused)
  assert.equal(fs.readFileSync(path, 'utf8'), theirs)
  await store.close?.()
  const next = stateFile(path)
  await next.load()
  await next.save(empty)
  await next.close?.()
})
