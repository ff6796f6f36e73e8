import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { KeySet, NoKeys } from '../../../src/auth/keys/key-set-source.js'
import { KeySets, type KeySetsOptions } from '../../../src/auth/keys/key-sets.js'
import { TestClock } from '../../support/clock.js'
import { issuerKey, keyServer } from '../../support/key-server.js'
import { until } from '../../support/until.js'

const [one, two, three] = await Promise.all([issuerKey('one'), issuerKey('two'), issuerKey('three', 'RS256')])
const small = await issuerKey('small', 'RS256', 1024)
const server = await keyServer([one])
after(() => server.close())
const url = server.jwks

interface Line {
  level: string
  fields: Record<string, unknown>
  message: string
}

function open(t: { after(end: () => void): void }, options: KeySetsOptions = {}) {
  const clock = new TestClock()
  const lines: Line[] = []
  const changes: (KeySet | undefined)[] = []
  const log = {
    info: (fields: object, message: string) => lines.push({ level: 'info', fields: { ...fields }, message }),
    warn: (fields: object, message: string) => lines.push({ level: 'warn', fields: { ...fields }, message }),
  }
  const sets = new KeySets({ clock, log, onChange: (_url, keySet) => changes.push(keySet), ...options })
  t.after(() => sets.close())
  const before = server.total
  return { sets, clock, lines, changes, asked: () => server.total - before }
}

const kids = (keySet: KeySet | NoKeys | undefined): unknown =>
  keySet && ('keys' in keySet ? keySet.keys.map(({ kid }) => kid) : keySet)

test('keys are fetched once for all who ask at the same time', async (t) => {
  server.publish([one.jwk])
  const { sets, asked } = open(t)
  assert.equal(sets.current(url), undefined)
  const answers = await Promise.all([1, 2, 3].map(() => sets.get(url)))
  assert.deepEqual(answers.map(kids), [['one'], ['one'], ['one']])
  assert.equal(sets.current(url), answers[0])
  assert.equal(asked(), 1)
})

test('keys are fetched again before they expire, as Cache-Control says within bounds', async (t) => {
  for (const [headers, seconds] of [
    [{}, 480],
    [{ 'cache-control': 'public, max-age=100' }, 80],
    [{ 'cache-control': 'max-age="100"', age: '20' }, 64],
    [{ 'cache-control': 'max-age=5' }, 48],
    [{ 'cache-control': 'no-store' }, 48],
    [{ 'cache-control': 'private, max-age=9999999' }, 69_120],
    [{ 'cache-control': 'max-age=abc' }, 480],
  ] as const) {
    server.publish([one.jwk], headers)
    const { sets, clock, asked } = open(t)
    const first = await sets.get(url)
    clock.pass(seconds * 1000 - 1)
    assert.equal(asked(), 1, JSON.stringify(headers))
    clock.pass(1)
    await until(asked, (count) => count === 2)
    assert.equal(sets.current(url), first, 'meanwhile the keys are there')
    await until(
      () => clock.pending,
      (count) => count === 1,
    )
    assert.equal(sets.current(url), first, 'the same keys stay the same object')
  }
})

test('an unknown key has the set fetched again, shared, and at most once each 30 seconds', async (t) => {
  server.publish([one.jwk])
  const { sets, clock, lines, asked } = open(t)
  const first = (await sets.get(url)) as KeySet
  server.publish([one.jwk, two.jwk])
  const refreshed = await Promise.all([1, 2, 3].map(() => sets.refresh(url, first.revision)))
  assert.deepEqual(refreshed.map(kids), [
    ['one', 'two'],
    ['one', 'two'],
    ['one', 'two'],
  ])
  assert.equal(asked(), 2)
  const second = refreshed[0] as KeySet
  assert.ok(second.revision > first.revision)
  // Who asks with older keys gets what is there.
  assert.equal(await sets.refresh(url, first.revision), second)
  server.publish([two.jwk])
  clock.pass(29_999)
  assert.equal(await sets.refresh(url, second.revision), second)
  assert.equal(asked(), 2)
  clock.pass(1)
  assert.deepEqual(
    kids(await sets.refresh(url, second.revision)),
    ['two'],
    'a key that was taken back is gone',
  )
  assert.equal(asked(), 3)
  assert.deepEqual(
    lines.map(({ fields }) => fields.keys),
    [['one'], ['one', 'two'], ['two']],
  )
})

test('whatever is wrong with the answer, there are no keys, and requests do not wait for each try', async (t) => {
  const html = '<html>not here</html>'
  const wrong: Record<string, [Parameters<typeof server.become>[0], RegExp]> = {
    'a reset': [(response) => response.socket?.resetAndDestroy(), /ECONNRESET|SOCKET/],
    'a body that is cut': [
      (response) => {
        response.writeHead(200, { 'content-length': '1000' }).write('{', () => response.socket?.destroy())
      },
      /SOCKET|terminated|closed/,
    ],
    'no answer in time': [() => {}, /within 1000 ms/],
    'a body that stops': [(response) => void response.writeHead(200).write('{"keys":'), /within 1000 ms/],
    'status 500': [
      (response) => void response.writeHead(500).end(JSON.stringify({ keys: [one.jwk] })),
      /500/,
    ],
    'status 404 in HTML': [(response) => void response.writeHead(404).end(html), /404/],
    'status 204': [(response) => void response.writeHead(204).end(), /204/],
    HTML: [(response) => void response.end(html), /no JSON/],
    'JSON that is no key set': [(response) => void response.end('{"keys":{}}'), /no list "keys"/],
    'JSON null': [(response) => void response.end('null'), /no list "keys"/],
    'no keys': [(response) => void response.end('{"keys":[]}'), /no key for signatures/],
    'a huge body': [(response) => void response.end(' '.repeat(1_048_577)), /larger than 1048576/],
    'a bomb': [
      (response) => {
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(' '.repeat(50_000_000)))
      },
      /larger than 1048576/,
    ],
    'a redirect to another host without TLS': [
      (response) => void response.writeHead(302, { location: 'http://127.0.0.2:1/' }).end(),
      /redirected to http:\/\/127\.0\.0\.2:1, which is neither/,
    ],
    'a redirect to a file': [
      (response) => void response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
      /redirected/,
    ],
    'redirects without end': [
      (response) => void response.writeHead(307, { location: '/' }).end(),
      /3 redirects/,
    ],
  }
  for (const [what, [answer, reason]] of Object.entries(wrong)) {
    server.become(answer)
    // Those that hang are not waited for longer than it takes.
    const own = open(t, { fetchTimeout: reason.source.includes('1000 ms') ? 1000 : 5000 })
    assert.deepEqual(await own.sets.get(url), { retryAfter: 1 }, what)
    assert.equal(own.lines.length, 1, what)
    const [line] = own.lines
    assert.equal(line?.message, 'the keys for tokens cannot be fetched: requests that need them are refused')
    assert.match(String(line?.fields.reason), reason, what)
    assert.ok(!JSON.stringify(own.lines).includes('s3cret'), 'a query may have a secret')
    const count = own.asked()
    await Promise.all([1, 2, 3].map(() => own.sets.get(url)))
    await own.sets.refresh(url, 0)
    assert.equal(own.asked(), count, `${what}: nobody asks again before the pause is over`)

    server.publish([one.jwk])
    own.clock.pass(1000)
    await until(
      () => own.sets.current(url),
      (keySet) => keySet !== undefined,
    )
    assert.deepEqual(
      own.lines.slice(1).map(({ level }) => level),
      ['info', 'info'],
      what,
    )
  }
})

test('while the address hangs, requests are refused at once', async (t) => {
  server.become(() => {})
  const { sets, clock } = open(t, { fetchTimeout: 500 })
  await sets.get(url)
  clock.pass(1000)
  await until(
    () => server.open,
    (count) => count === 1,
  )
  assert.deepEqual(await sets.get(url), { retryAfter: 1 })
  assert.equal(server.open, 1, 'the fetch goes on')
})

test('the pause grows to 8 seconds without keys, and to a minute with keys', async (t) => {
  const pausesOf = async (hasKeys: boolean): Promise<number[]> => {
    server.publish([one.jwk])
    const { sets, clock, asked } = open(t)
    if (hasKeys) {
      await sets.get(url)
      server.become((response) => response.writeHead(500).end())
      clock.pass(480_000)
    } else {
      server.become((response) => response.writeHead(500).end())
      sets.sync([url])
    }
    const pauses: number[] = []
    for (let i = 0; i < 8; i++) {
      const count = asked()
      await until(
        () => clock.pending,
        (pending) => pending === 1,
      )
      const before = clock.now()
      while (clock.pending > 0) clock.pass(500)
      pauses.push((clock.now() - before) / 1000)
      await until(asked, (now) => now > count || i === 0)
    }
    return pauses
  }
  assert.deepEqual(await pausesOf(false), [1, 2, 4, 8, 8, 8, 8, 8])
  assert.deepEqual(await pausesOf(true), [1, 2, 4, 8, 16, 32, 60, 60])
})

test('the last good keys are used for a day while there are no newer ones', async (t) => {
  server.publish([one.jwk])
  const { sets, clock, lines, changes } = open(t)
  const keys = (await sets.get(url)) as KeySet
  server.become((response) => response.writeHead(503).end())
  clock.pass(480_000)
  await until(
    () => clock.pending,
    (count) => count === 1,
  )
  assert.equal(lines.at(-1)?.message, 'the keys for tokens cannot be fetched: the last ones are used for now')
  assert.equal(await sets.get(url), keys)
  assert.equal(await sets.refresh(url, keys.revision), keys, 'an unknown key waits for nothing')
  clock.late(86_399_000 - 480_000)
  await until(
    () => clock.pending,
    (count) => count === 1,
  )
  assert.equal(sets.current(url), keys)
  clock.late(1000)
  clock.pass(60_000)
  await until(
    () => sets.current(url),
    (current) => current === undefined,
  )
  assert.equal(lines.at(-1)?.message, 'there are no keys for tokens any more')
  assert.equal(changes.at(-1), undefined)
  assert.ok('retryAfter' in (await sets.get(url)))
  server.publish([one.jwk])
  await until(
    () => clock.pending,
    (count) => count === 1,
  )
  clock.pass(60_000)
  await until(
    () => sets.current(url),
    (current) => current !== undefined,
  )
})

test('an issuer that takes all keys back is obeyed', async (t) => {
  server.publish([one.jwk])
  const { sets, clock } = open(t)
  await sets.get(url)
  server.publish([])
  clock.pass(480_000)
  await until(
    () => sets.current(url),
    (keySet) => keySet === undefined,
  )
  assert.deepEqual(await sets.get(url), { retryAfter: 1 })
})

test('only keys for signatures are taken, and only their public part', async (t) => {
  const encryption = { ...two.jwk, use: 'enc' }
  const secret = { kty: 'oct', k: Buffer.alloc(64).toString('base64url'), kid: 'secret', alg: 'HS256' }
  const exponent = { ...three.jwk, kid: 'exponent', e: 'AQ' }
  const privateJwk = createPrivateKey(three.privateKey.export({ type: 'pkcs8', format: 'pem' })).export({
    format: 'jwk',
  })
  server.publish([
    encryption,
    secret,
    exponent,
    small.jwk,
    null as never,
    'text' as never,
    { kty: 'RSA', kid: 'empty' },
    { ...two.jwk, kid: 'signs only', key_ops: ['sign'] },
    { ...three.jwk, kid: 'oaep', alg: 'RSA-OAEP' },
    { kty: 'EC', crv: 'secp256k1', x: one.jwk.x, y: one.jwk.y, kid: 'curve' },
    { kty: 'EC', crv: 'P-256', x: one.jwk.x, y: one.jwk.x, kid: 'not on the curve' },
    { ...two.jwk, use: undefined, alg: undefined, key_ops: ['verify'], kid: 'bare' },
    { ...privateJwk, kid: 'private' },
  ])
  const { sets } = open(t)
  const keySet = (await sets.get(url)) as KeySet
  assert.deepEqual(kids(keySet), ['bare', 'private'])
  assert.deepEqual(Object.keys(keySet.keys[1] as object).sort(), ['e', 'kid', 'kty', 'n'])
})

test('a redirect on the same server is followed', async (t) => {
  server.become((response) => {
    if (response.req.url !== '/moved') response.writeHead(301, { location: '/moved' }).end()
    else response.end(JSON.stringify({ keys: [one.jwk] }))
  })
  const { sets } = open(t)
  assert.deepEqual(kids(await sets.get(url)), ['one'])
})

test('a URL that is not used any more is forgotten, and one that stays is not fetched again', async (t) => {
  server.publish([one.jwk])
  const { sets, clock, changes, asked } = open(t)
  sets.sync([url])
  const first = (await sets.get(url)) as KeySet
  sets.sync([url])
  assert.equal(sets.current(url), first)
  assert.equal(asked(), 1)
  sets.sync([])
  assert.equal(sets.current(url), undefined)
  assert.deepEqual(changes, [first, undefined], 'other threads forget it, too')
  assert.equal(clock.pending, 0)
  sets.sync([url])
  const again = (await sets.get(url)) as KeySet
  assert.ok(again.revision > first.revision, 'a worker that still has the first knows that this one is newer')
})

test('a fetch that goes on ends with the key sets, and nothing is tried after', async (t) => {
  server.become(() => {})
  const { sets, clock, lines } = open(t)
  const asked = sets.get(url)
  await server.untilOpen(1)
  sets.close()
  assert.deepEqual(await asked, { retryAfter: 1 })
  assert.equal(clock.pending, 0)
  assert.deepEqual(lines, [])
})

test('keys are renewed although a logger and an observer throw', async (t) => {
  const warnings: Error[] = []
  const collect = (warning: Error) => void warnings.push(warning)
  process.on('warning', collect)
  t.after(() => process.off('warning', collect))
  const broken = () => {
    throw new Error('broken')
  }
  const { sets, clock, asked } = open(t, { log: { info: broken, warn: broken }, onChange: broken })
  server.become((response) => response.writeHead(500).end())
  assert.deepEqual(await sets.get(url), { retryAfter: 1 })
  server.publish([one.jwk])
  clock.pass(1000)
  await until(
    () => sets.current(url),
    (keySet) => keySet !== undefined,
  )
  clock.pass(480_000)
  await until(asked, (count) => count === 3)
  await until(
    () => warnings.length,
    (count) => count === 4,
  )
})
