import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LookUp } from '../../../src/proxy/upstream/dns/lookup-queue.js'
import { NameLookup } from '../../../src/proxy/upstream/dns/name-lookup.js'
import { TestClock } from '../../support/clock.js'

type Done = Parameters<LookUp>[1]

/** Names, and a resolver that answers when it is told to. */
function setup() {
  const clock = new TestClock()
  const asked: { name: string; done: Done }[] = []
  const names = new NameLookup((name, done) => void asked.push({ name, done }), clock)
  const answer = (index: number, ...addresses: string[]) =>
    asked[index]?.done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  const fail = (index: number, code: string) =>
    asked[index]?.done(Object.assign(new Error(`getaddrinfo ${code}`), { code }), [])
  /** What is known of a name, as it becomes known: addresses, or an error's code. */
  const resolve = (name = 'a') => {
    const found: string[] = []
    const leave = names.resolve(name, (error, addresses) =>
      found.push(error ? error.code : addresses.map(({ address }) => address).join()),
    )
    return { found, leave, atOnce: leave === undefined }
  }
  return { clock, names, asked, answer, fail, resolve }
}

test('a name is looked up once for all who ask meanwhile, and all addresses are kept in their order', () => {
  const { asked, answer, resolve } = setup()
  const [one, two] = [resolve(), resolve()]
  assert.equal(asked.length, 1)
  answer(0, '::1', '127.0.0.1')
  assert.deepEqual([one.found, two.found], [['::1,127.0.0.1'], ['::1,127.0.0.1']])
})

test('an answer is used at once, and looked up anew in the background after a while', () => {
  const { clock, names, asked, answer, resolve } = setup()
  names.watch('a', () => {})
  answer(0, '10.0.0.1')
  clock.pass(1900)
  assert.deepEqual([resolve().atOnce, asked.length], [true, 1])
  clock.pass(200)
  const stale = resolve()
  assert.deepEqual([stale.found, asked.length], [['10.0.0.1'], 2])
  resolve()
  assert.equal(asked.length, 2, 'one at a time')
  answer(1, '10.0.0.2')
  assert.deepEqual(resolve().found, ['10.0.0.2'])
})

test('the last good answer is used for as long as look-ups fail', () => {
  const { clock, names, asked, answer, fail, resolve } = setup()
  names.watch('a', () => {})
  answer(0, '10.0.0.1')
  for (let i = 1; i < 20; i++) {
    clock.pass(60_000)
    const asking = resolve()
    fail(i, 'EAI_AGAIN')
    assert.deepEqual(asking.found, ['10.0.0.1'])
    assert.equal(asked.length, i + 1)
  }
  clock.pass(60_000)
  const before = resolve()
  answer(20, '10.0.0.2')
  assert.deepEqual(before.found, ['10.0.0.1'])
  assert.deepEqual(resolve().found, ['10.0.0.2'])
})

test('an old answer waits for a new look-up, but not for one that hangs', () => {
  const { clock, names, answer, resolve } = setup()
  names.watch('a', () => {})
  answer(0, '10.0.0.1')
  clock.pass(60_000)
  const one = resolve()
  assert.deepEqual(one.found, [])
  answer(1, '10.0.0.2')
  assert.deepEqual(one.found, ['10.0.0.2'])
  clock.pass(60_000)
  const two = resolve()
  clock.pass(500)
  assert.deepEqual(two.found, ['10.0.0.2'])
  assert.deepEqual([resolve().atOnce, resolve().found], [true, ['10.0.0.2']])
})

test('an answer that did not lead to the backend is doubted: the next who asks waits a moment for a new one', () => {
  const { clock, names, asked, answer, resolve } = setup()
  names.watch('a', () => {})
  answer(0, '10.0.0.1')
  names.doubt('a')
  assert.equal(asked.length, 1, 'it is as new as can be')
  clock.pass(1000)
  names.doubt('a')
  names.doubt('a')
  assert.equal(asked.length, 2)
  const asking = resolve()
  assert.deepEqual(asking.found, [])
  answer(1, '10.0.0.2')
  assert.deepEqual(asking.found, ['10.0.0.2'])
  assert.equal(resolve().atOnce, true)
})

test('a name that was never resolved fails whoever waits, and soon whoever comes later', () => {
  const { clock, asked, fail, resolve } = setup()
  const first = resolve()
  fail(0, 'ENOTFOUND')
  assert.deepEqual(first.found, ['ENOTFOUND'])
  const second = resolve()
  clock.pass(0)
  assert.deepEqual([second.found, asked.length], [[], 2], 'nobody remembers a name that nobody watches')
})

test('a look-up that hangs is waited for so long, and no longer for those who come later', () => {
  const { clock, asked, resolve } = setup()
  const first = resolve()
  clock.pass(4000)
  const second = resolve()
  clock.pass(999)
  assert.deepEqual([first.found, second.found], [[], []])
  clock.pass(1)
  assert.deepEqual([first.found, second.found], [['ETIMEOUT'], ['ETIMEOUT']])
  const third = resolve()
  clock.pass(1)
  assert.deepEqual(third.found, ['ETIMEOUT'])
  assert.equal(asked.length, 1)
})

test('a name that hangs keeps no other from being resolved', () => {
  const { asked, answer, resolve } = setup()
  for (const name of ['a', 'b', 'c', 'd']) resolve(name)
  const fifth = resolve('e')
  answer(
    asked.findIndex(({ name }) => name === 'e'),
    '10.0.0.5',
  )
  assert.deepEqual(fifth.found, ['10.0.0.5'])
})

test('who watches a name learns that it cannot be resolved, and that it is in the end', () => {
  const { clock, names, asked, answer, fail } = setup()
  const told: (string | undefined)[] = []
  const unwatch = names.watch('a', (reason) => told.push(reason))
  assert.equal(asked.length, 1)
  fail(0, 'EAI_AGAIN')
  clock.pass(1000)
  assert.equal(asked.length, 2)
  clock.pass(60_000)
  assert.deepEqual(told, ['EAI_AGAIN'])
  fail(1, 'ENOTFOUND')
  clock.pass(2000)
  answer(2, '10.0.0.1')
  assert.deepEqual(told, ['EAI_AGAIN', 'ENOTFOUND', undefined])
  unwatch()
  assert.equal(names.last('a'), undefined)
  assert.equal(clock.pending, 0)
})

test('of many names a few are looked up at a time, first those that somebody waits for, and those that hang do not count', () => {
  const { clock, names, asked, answer, resolve } = setup()
  const unwatch = Array.from({ length: 100 }, (_, i) => names.watch(`n${i}`, () => {}))
  assert.equal(asked.length, 8)
  const asking = resolve('n99')
  answer(0, '10.0.0.1')
  assert.deepEqual(asked[8]?.name, 'n99')
  answer(8, '10.0.0.2')
  assert.deepEqual(asking.found, ['10.0.0.2'])
  const before = asked.length
  clock.pass(1000)
  assert.equal(asked.length, before + 8)
  for (const leave of unwatch) leave()
  clock.pass(10_000)
  assert.equal(asked.length, before + 8, 'what nobody wants to know is not asked')
})

test('the time to the next look-up of a name that fails grows, unless somebody asks', () => {
  const { clock, names, asked, fail, resolve } = setup()
  names.watch('a', () => {})
  for (const [i, delay] of [1000, 2000, 4000, 8000, 10_000, 10_000].entries()) {
    fail(i, 'EAI_AGAIN')
    clock.pass(delay - 1)
    assert.equal(asked.length, i + 1)
    clock.pass(1)
    assert.equal(asked.length, i + 2)
  }
  fail(6, 'EAI_AGAIN')
  clock.pass(1000)
  resolve()
  assert.equal(asked.length, 8)
})

test('who watches learns after a second of a look-up that hangs; who needs the address waits for longer', () => {
  const { clock, names, answer, resolve } = setup()
  const told: (string | undefined)[] = []
  names.watch('a', (reason) => told.push(reason))
  const asking = resolve()
  clock.pass(1000)
  assert.deepEqual(told, ['ETIMEOUT'])
  clock.pass(3999)
  assert.deepEqual(asking.found, [])
  clock.pass(1)
  assert.deepEqual(asking.found, ['ETIMEOUT'])
  answer(0, '10.0.0.1')
  assert.deepEqual(told, ['ETIMEOUT', undefined])
})

test('a name is forgotten with its last watcher, and one who leaves is not called back', () => {
  const { clock, names, asked, answer, resolve } = setup()
  const [one, two] = [names.watch('a', () => {}), names.watch('a', () => {})]
  const asking = resolve()
  asking.leave?.()
  answer(0, '10.0.0.1')
  assert.deepEqual(asking.found, [])
  one()
  assert.ok(names.last('a'))
  two()
  assert.equal(names.last('a'), undefined)
  names.watch('a', () => {})
  assert.equal(asked.length, 2)
  clock.pass(60_000)
})

test('a resolver that answers at once, throws, or finds nothing', () => {
  const clock = new TestClock()
  const results: (string | undefined)[] = []
  const ask = (lookUp: LookUp) => {
    new NameLookup(lookUp, clock).resolve('a', (error, addresses) =>
      results.push(error?.code ?? addresses[0]?.address),
    )
    clock.pass(0)
  }
  ask((_name, done) => done(null, [{ address: '10.0.0.1', family: 4 }]))
  ask(() => {
    throw Object.assign(new Error('no'), { code: 'EMFILE' })
  })
  ask((_name, done) => done(null, []))
  assert.deepEqual(results, ['10.0.0.1', 'EMFILE', 'ENODATA'])
})

test('where the system hangs somebody else is asked as well, and the system only once', () => {
  const clock = new TestClock()
  const system: Done[] = []
  const direct: Done[] = []
  const names = new NameLookup(
    (_name, done) => void system.push(done),
    clock,
    (_name, done) => void direct.push(done),
  )
  const at = (address: string) => [{ address, family: 4 }]
  const found: (string | undefined)[] = []
  const resolve = () =>
    names.resolve('a', (error, addresses) => found.push(error?.code ?? addresses[0]?.address))
  names.watch('a', () => {})
  resolve()
  clock.pass(999)
  assert.equal(direct.length, 0)
  clock.pass(1)
  direct[0]?.(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), [])
  assert.deepEqual(found, [], 'the system may know better')
  clock.pass(4000)
  assert.deepEqual(found, ['ETIMEOUT'])
  system[0]?.(null, at('10.0.0.1'))
  resolve()
  assert.deepEqual(found.pop(), '10.0.0.1')

  clock.pass(3000)
  resolve()
  clock.pass(1000)
  direct[1]?.(null, at('10.0.0.2'))
  resolve()
  assert.equal(found.pop(), '10.0.0.2')
  clock.pass(3000)
  resolve()
  assert.deepEqual([system.length, direct.length], [2, 3])
  direct[2]?.(null, [])
  resolve()
  assert.equal(found.pop(), '10.0.0.2', 'nothing found is no news')
  system[1]?.(null, at('10.0.0.3'))
  resolve()
  assert.equal(found.pop(), '10.0.0.3', 'what the system says in the end counts')
})
