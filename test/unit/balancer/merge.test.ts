import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BackendSpec } from '../../../src/balancer/backends/spec.js'
import { checkSpec } from '../../../src/balancer/backends/validation.js'
import { Balancer, openBalancer } from '../../../src/balancer/index.js'
import { restorePool } from '../../../src/balancer/state/merge.js'
import { InvalidStateError, readState } from '../../../src/balancer/state/schema.js'
import type { BackendState, PoolState } from '../../../src/balancer/state/store.js'

const addedAt = '2026-01-02T03:04:05.000Z'
const [a, b, c] = ['http://a:1', 'http://b:1', 'http://c:1'] as const

/** A backend as it was stored; with `configured` one that the configuration names. */
function stored(
  spec: BackendSpec & { id: string },
  configured?: BackendSpec,
  state = 'active',
): BackendState {
  const entry = { ...checkSpec(spec), state, addedAt }
  return { ...entry, ...(configured && { configured: checkSpec(configured) }) } as BackendState
}

function state(parts: Partial<PoolState>): PoolState {
  const policy = { name: 'least-connections', configured: 'least-connections' } as const
  return readState(JSON.parse(JSON.stringify({ version: 1, policy, backends: [], removed: [], ...parts })))
}

/** What is registered at the start: `id weight state`, in order. */
function merged(backends: BackendSpec[], parts: Partial<PoolState>): string[] {
  const restored = restorePool('least-connections', backends.map(checkSpec), state(parts))
  const { registry } = new Balancer({ backends }, restored)
  return registry.list().map(({ url, id, weight, state, addedAt: at }) => {
    return `${url.slice(7, 8)} ${id} ${weight} ${state}${at.toISOString() === addedAt ? ' kept' : ''}`
  })
}

test('without a stored state the configuration counts', async () => {
  const store = { name: 'empty', load: async () => undefined, save: async () => {} }
  const { policy, registry } = await openBalancer({ policy: 'round-robin', backends: [a] }, store)
  assert.equal(policy, 'round-robin')
  assert.deepEqual(
    registry.list().map(({ url, weight }) => [url, weight]),
    [[a, 1]],
  )
})

test('what was registered over the API is added, in the order of registration', () => {
  const backends = [stored({ url: b, id: 'b' }), stored({ url: a, id: 'a-1' }, { url: a })]
  assert.deepEqual(merged([{ url: a }, { url: c }], { backends }), [
    'b b 1 active kept',
    'a a-1 1 active kept',
    'c c-1 1 active',
  ])
})

test('what was changed or drained goes before the configuration, until that says something else', () => {
  const backends = [stored({ url: a, id: 'a-1', weight: 5 }, { url: a, weight: 2 }, 'draining')]
  assert.deepEqual(merged([{ url: a, weight: 2 }], { backends }), ['a a-1 5 draining kept'])
  assert.deepEqual(
    merged([{ url: 'HTTP://A:1/', weight: 2 }], { backends }),
    ['a a-1 5 draining kept'],
    'spelling',
  )
  assert.deepEqual(merged([{ url: a, weight: 3 }], { backends }), ['a a-1 3 active kept'])
  assert.deepEqual(merged([{ url: a }], { backends }), ['a a-1 1 active kept'])
  for (const more of [
    { maxConnections: 9 },
    { hostHeader: 'backend' as const },
    { id: 'mine' },
    { backup: true },
    { healthPort: 9 },
    { healthHost: 'x' },
  ] as Partial<BackendSpec>[]) {
    const id = more.id ?? 'a-1'
    assert.deepEqual(merged([{ url: a, weight: 2, ...more }], { backends }), [
      `a ${id} 3 active kept`.replace('3', '2'),
    ])
  }
})

test('that nothing is said and that the default is said are the same', () => {
  const backends = [stored({ url: a, id: 'a-1', weight: 5 }, { url: a })]
  assert.deepEqual(merged([{ url: a, weight: 1 }], { backends }), ['a a-1 5 active kept'])
  const limited = [stored({ url: a, id: 'a-1', maxConnections: 5 }, { url: a, maxConnections: 0 })]
  assert.deepEqual(merged([{ url: a, maxConnections: null }], { backends: limited }), ['a a-1 1 active kept'])
})

test('what was removed stays away, until the configuration says something else of it', () => {
  const removed = [checkSpec({ url: a, weight: 2 })]
  assert.deepEqual(merged([{ url: a, weight: 2 }, { url: b }], { removed }), ['b b-1 1 active'])
  assert.deepEqual(merged([{ url: a, weight: 3 }, { url: b }], { removed }), [
    'a a-1 3 active',
    'b b-1 1 active',
  ])
  assert.deepEqual(merged([{ url: b }], { removed }), ['b b-1 1 active'])
})

test('what is taken out of the configuration is gone, with what was said of it', () => {
  const backends = [stored({ url: a, id: 'a-1', weight: 5 }, { url: a }), stored({ url: b, id: 'b' })]
  assert.deepEqual(merged([], { backends }), ['b b 1 active kept'])
  assert.deepEqual(
    merged([{ url: c, id: 'a-1' }], { backends }),
    ['b b 1 active kept', 'c a-1 1 active'],
    'its id',
  )
})

test('what was registered over the API and is configured later is as the configuration says', () => {
  const backends = [stored({ url: a, id: 'mine', weight: 5 }, undefined, 'draining')]
  assert.deepEqual(merged([{ url: a, weight: 2 }], { backends }), ['a mine 2 active kept'])
})

test('a policy counts until the configuration names another one', () => {
  const policy = { name: 'round-robin', configured: 'power-of-two' } as const
  const start = (configured: 'power-of-two' | 'least-connections') =>
    restorePool(configured, [], state({ policy })).policy
  assert.equal(start('power-of-two'), 'round-robin')
  assert.equal(start('least-connections'), 'least-connections')
})

test('an id that the configuration gives to one backend and the state to another is refused', () => {
  const backends = [stored({ url: a, id: 'x' })]
  assert.throws(() => merged([{ url: b, id: 'x' }], { backends }), {
    message: 'id "x" is that of http://a:1, and the configuration gives it to http://b:1',
  })
  // Two that change their ids are both as the configuration says.
  const both = [
    stored({ url: a, id: 'x' }, { url: a, id: 'x' }),
    stored({ url: b, id: 'y' }, { url: b, id: 'y' }),
  ]
  const swapped = [
    { url: a, id: 'y' },
    { url: b, id: 'x' },
  ]
  assert.deepEqual(merged(swapped, { backends: both }), ['a y 1 active kept', 'b x 1 active kept'])
})

test('a stored state that is none is refused by field', () => {
  const good = state({ backends: [stored({ url: a, id: 'a' }, { url: a })] })
  const [entry] = good.backends
  const backend = (change: object) => ({ ...good, backends: [{ ...entry, ...change }] })
  const bad: [unknown, RegExp][] = [
    [null, /^it is no JSON object/],
    [[], /^it is no JSON object/],
    [{}, /^version must be 1/],
    [{ ...good, version: 2, more: 1 }, /^version must be 1/],
    [{ ...good, more: 1 }, /^it has a field that is not known: "more"/],
    [{ ...good, policy: 'round-robin' }, /^policy must be an object/],
    [{ ...good, policy: { name: 'x', configured: 'round-robin' } }, /^policy\.name must be one of/],
    [{ ...good, backends: {} }, /^backends must be a list/],
    [{ ...good, backends: [1] }, /^backends\[0\] must be an object/],
    [backend({ weight: 0 }), /^backends\[0\]\.weight must be a whole number from 1 to 1000/],
    [backend({ weight: undefined }), /^backends\[0\]\.weight is missing/],
    [backend({ wieght: 2 }), /^backends\[0\] has a field that is not known: "wieght"/],
    [backend({ url: 'ftp://a' }), /^backends\[0\]\.url must start with http/],
    [backend({ url: undefined }), /^backends\[0\]\.url/],
    [backend({ id: 'a/b' }), /^backends\[0\]\.id must be/],
    [backend({ id: undefined }), /^backends\[0\]\.id is missing/],
    [backend({ maxConnections: -1 }), /^backends\[0\]\.maxConnections/],
    [backend({ hostHeader: 'x' }), /^backends\[0\]\.hostHeader/],
    [backend({ backup: 1 }), /^backends\[0\]\.backup/],
    [backend({ healthPort: '1' }), /^backends\[0\]\.healthPort/],
    [backend({ state: 'gone' }), /^backends\[0\]\.state must be "active" or "draining"/],
    [backend({ addedAt: 'then' }), /^backends\[0\]\.addedAt must be a date/],
    [backend({ addedAt: 7 }), /^backends\[0\]\.addedAt must be a date/],
    [backend({ configured: { url: b, weight: 1 } }), /^backends\[0\]\.configured\.url must be that/],
    [backend({ configured: { url: a, weight: 0 } }), /^backends\[0\]\.configured\.weight/],
    [{ ...good, backends: [entry, { ...entry, id: 'b' }] }, /^backends\[1\]\.url is there twice/],
    [{ ...good, backends: [entry, stored({ url: b, id: 'a' })] }, /^backends\[1\]\.id is there twice: a/],
    [
      { ...good, removed: [{ url: a, weight: 1, state: 'active' }] },
      /^removed\[0\] has a field that is not known/,
    ],
  ]
  for (const [value, message] of bad) {
    assert.throws(
      () => readState(value),
      (error) => error instanceof InvalidStateError && message.test(error.message),
      String(message),
    )
  }
})

test('the id of a backend that was removed, or registered anew with another one, is free for others', () => {
  const configured = { url: a, id: 'x' }
  const removed = [checkSpec(configured)]
  assert.deepEqual(merged([configured], { backends: [stored({ url: b, id: 'x' })], removed }), [
    'b x 1 active kept',
  ])
  const backends = [stored({ url: a, id: 'a-1' }, configured), stored({ url: b, id: 'x' })]
  assert.deepEqual(merged([configured], { backends }), ['a a-1 1 active kept', 'b x 1 active kept'])
})
