import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PasswordChecker } from '../../../src/auth/basic/password-checker.js'
import { TestClock } from '../../support/clock.js'

/** A checker whose comparisons end when they are told to. */
function checker(users: Record<string, string>) {
  const clock = new TestClock()
  const compared: { password: string; hash: string; end(isEqual: boolean | Error): void }[] = []
  const passwords = new PasswordChecker(
    users,
    (password, hash) =>
      new Promise((resolve, reject) => {
        const end = (isEqual: boolean | Error) =>
          isEqual instanceof Error ? reject(isEqual) : resolve(isEqual)
        compared.push({ password, hash, end })
      }),
    clock,
  )
  return { clock, compared, passwords }
}

const USERS = { alice: '$2y$04$alice', bob: '$2b$12$bob' }

test('a result is remembered for some minutes: a right password longer than a wrong one', async () => {
  const { clock, compared, passwords } = checker(USERS)
  for (const [password, isRight, seconds] of [
    ['right', true, 300],
    ['wrong', false, 60],
  ] as const) {
    const result = passwords.check('alice', password)
    assert.equal(compared.at(-1)?.hash, '$2b$04$alice', 'the prefix is one that the library knows')
    compared.pop()?.end(isRight)
    assert.equal(await result, isRight)
    clock.pass(seconds * 1000 - 1)
    assert.equal(passwords.check('alice', password), isRight)
    clock.pass(1)
    assert.ok(passwords.check('alice', password) instanceof Promise)
    compared.pop()?.end(isRight)
  }
  assert.ok(passwords.check('bob', 'right') instanceof Promise, 'it is the password of one user')
})

test('equal passwords that come together are hashed once', async () => {
  const { compared, passwords } = checker(USERS)
  const results = [1, 2, 3].map(() => passwords.check('alice', 'right'))
  assert.equal(compared.length, 1)
  compared[0]?.end(true)
  assert.deepEqual(await Promise.all(results), [true, true, true])
})

test('an unknown user is compared with the hash of another one, always the same, and is wrong whatever comes out', async () => {
  const { compared, passwords } = checker(USERS)
  const hashes = new Set<string>()
  for (let i = 0; i < 40; i++) {
    const results = ['one', 'two'].map((password) => passwords.check(`user ${i}`, password))
    const both = compared.splice(0)
    assert.equal(both.length, 2)
    assert.equal(both[0]?.hash, both[1]?.hash)
    hashes.add(both[0]?.hash as string)
    for (const { end } of both) end(true)
    assert.deepEqual(await Promise.all(results), [false, false])
  }
  assert.deepEqual([...hashes].sort(), ['$2b$04$alice', '$2b$12$bob'], 'of each cost that users have')
  for (const name of ['__proto__', 'constructor', '']) {
    const result = passwords.check(name, 'x')
    compared.pop()?.end(true)
    assert.equal(await result, false)
  }
})

test('two are hashed at a time, 64 wait, and the others are told when to come again', async () => {
  const { clock, compared, passwords } = checker(USERS)
  const results = Array.from({ length: 66 }, (_, i) => passwords.check('alice', `password ${i}`))
  assert.equal(compared.length, 2)
  assert.deepEqual(passwords.check('alice', 'one more'), { kind: 'busy', retryAfter: 1 })
  assert.deepEqual(
    passwords.check('alice', 'one more'),
    { kind: 'busy', retryAfter: 1 },
    'and is not remembered',
  )
  assert.ok(passwords.check('alice', 'password 0') instanceof Promise, 'what is hashed now is no more work')
  clock.pass(500)
  compared[0]?.end(false)
  await results[0]
  assert.equal(compared.length, 3)
  const last = passwords.check('alice', 'one more')
  assert.ok(last instanceof Promise)
  // 64 of them at half a second, two at a time.
  assert.deepEqual(passwords.check('alice', 'two more'), { kind: 'busy', retryAfter: 16 })
  for (let i = 1; i < 67; i++) {
    compared[i]?.end(false)
    await Promise.race([results[i] ?? last, last])
    await new Promise(setImmediate)
  }
  assert.deepEqual(await Promise.all([...results, last]), Array(67).fill(false))
  assert.equal(compared.length, 67)
})

test('an error of the library frees the place, and is not remembered', async () => {
  const { compared, passwords } = checker(USERS)
  for (let i = 0; i < 3; i++) {
    const result = passwords.check('alice', 'right')
    compared.pop()?.end(new Error('broken'))
    await assert.rejects(result as Promise<boolean>, /broken/)
  }
  const result = passwords.check('alice', 'right')
  compared.pop()?.end(true)
  assert.equal(await result, true)
})
