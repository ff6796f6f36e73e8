import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import fc from 'fast-check'
import { cookiesNamed, removeCookies } from '../../../src/proxy/downstream/affinity/cookie-field.js'
import { RecentValues } from '../../../src/proxy/downstream/affinity/recent-values.js'
import { SignedKeys } from '../../../src/proxy/downstream/affinity/signed-key.js'

const HOME = 2 ** 48 - 2
const POOL = 0xfedc

test('a value means the key that it was written for, and only with its secret', () => {
  const secret = randomBytes(32)
  const value = new SignedKeys(secret).write(HOME, POOL)
  assert.match(value, /^[\w-]{44}$/)
  const key = value.slice(0, 16)
  const keys = new SignedKeys(secret)
  // The second time it is known.
  for (let i = 0; i < 2; i++) assert.deepEqual(keys.read(value), { key, home: HOME, pool: POOL })
  assert.deepEqual(keys.read(keys.write(1, 2, key)), { key, home: 1, pool: 2 })
  assert.equal(new SignedKeys(randomBytes(32)).read(value), undefined)
})

test('no other text of the same length is taken, whatever bit is different', () => {
  const keys = new SignedKeys(randomBytes(32))
  const bytes = Buffer.from(keys.write(HOME, POOL), 'base64url')
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes)
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
    assert.equal(keys.read(changed.toString('base64url')), undefined, `bit ${bit}`)
  }
})

test('values of one backend have nothing in common', () => {
  const keys = new SignedKeys(randomBytes(32))
  const values = Array.from({ length: 200 }, () => Buffer.from(keys.write(HOME, POOL), 'base64url'))
  for (let at = 0; at < 33; at += 4) {
    const parts = values.map((bytes) => bytes.subarray(at, at + 4).toString('hex'))
    assert.ok(new Set(parts).size > 1, `byte ${at}`)
    if (at < 32) assert.ok(new Set(parts).size > 195, `bytes from ${at}`)
  }
})

test('values are remembered, and only so many', () => {
  const recent = new RecentValues<number>(3)
  for (let i = 0; i < 7; i++) {
    recent.set(`${i}`, i)
    assert.equal(recent.get('0'), 0, 'what is asked for stays')
  }
  const known = Array.from({ length: 7 }, (_, i) => recent.get(`${i}`)).filter((one) => one !== undefined)
  assert.ok(known.length >= 3 && known.length <= 6, `${known}`)
})

/** A request with this Cookie field, and without the cookies of this name. */
function removed(cookie: string, name: string): string | undefined {
  const raw = { headers: { cookie, host: 'x' }, rawHeaders: ['Host', 'x', 'CooKie', cookie] }
  removeCookies(raw as unknown as IncomingMessage, name)
  const left = (raw.headers as { cookie?: string }).cookie
  assert.deepEqual(raw.rawHeaders, left === undefined ? ['Host', 'x'] : ['Host', 'x', 'CooKie', left])
  return left
}

test('of any cookies, those of one name are found and removed, and the others stay as they are', () => {
  const others = fc.array(fc.stringMatching(/^[a-z]{1,3}=[a-z"= ]{0,4}[a-z]$/), { maxLength: 4 })
  const own = fc.array(fc.stringMatching(/^sid=[a-z=]{0,4}$/), { maxLength: 3 })
  fc.assert(
    fc.property(others, own, fc.nat(4), (all, mine, at) => {
      const rest = all.filter((pair) => !pair.startsWith('sid='))
      const pairs = rest.toSpliced(at, 0, ...mine)
      const values = mine.map((pair) => pair.slice('sid='.length))
      assert.deepEqual(cookiesNamed(pairs.join('; '), 'sid'), values)
      if (pairs.length > 0) assert.equal(removed(pairs.join('; '), 'sid'), rest.join('; ') || undefined)
    }),
  )
})

test('a Cookie field without the name is not touched, and an empty one neither', () => {
  for (const cookie of ['', ';', ' a=1 ;; b', 'xsid=1; sid2=2; x=sid=3', 'sid'])
    assert.equal(removed(cookie, 'sid'), cookie)
})
