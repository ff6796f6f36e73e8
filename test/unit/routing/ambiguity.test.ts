import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ambiguousPairs } from '../../../src/routing/ambiguity.js'
import type { RouteMatch } from '../../../src/routing/route-match.js'
import { compareConditions } from '../../../src/routing/specificity.js'
import { matches, matchesOfOnePath } from './matches.js'

const anything: RouteMatch = { host: undefined, path: '', methods: undefined, headers: {}, query: {} }

function pairs(...list: Partial<RouteMatch>[]): [number, number][] {
  return ambiguousPairs(list.map((match) => ({ ...anything, ...match })))
}

test('equal matches are ambiguous, also where they are written in two ways', () => {
  assert.deepEqual(pairs({}, { path: '/a' }, {}), [[0, 2]])
  assert.deepEqual(pairs({ path: '/caf%C3%A9' }, { path: '/café' }), [[0, 1]])
  assert.deepEqual(pairs({ host: '*.a.com' }, { host: '*.b.com' }, { host: 'a.com' }), [])
})

test('methods tell routes apart unless they have one in common', () => {
  assert.deepEqual(pairs({ methods: ['GET'] }, { methods: ['POST'] }, {}, { methods: ['PUT', 'GET'] }), [
    [0, 3],
  ])
})

test('different names can hold at once, different values of one name cannot', () => {
  assert.deepEqual(pairs({ headers: { a: '1' } }, { headers: { a: '2' } }, { headers: { b: '1' } }), [
    [0, 2],
    [1, 2],
  ])
  assert.deepEqual(pairs({ headers: { a: '1' } }, { query: { a: '1' } }, { headers: { a: '1', b: '1' } }), [])
  assert.deepEqual(
    pairs({ headers: { a: '1', b: '1' } }, { headers: { a: '1', c: '1' } }, { headers: { a: '2', c: '1' } }),
    [[0, 1]],
  )
})

const lists = fc.oneof(
  fc.array(matches, { maxLength: 12, size: 'max' }),
  fc.array(matchesOfOnePath, { maxLength: 12, size: 'max' }),
  fc.array(
    matches.map((match) => ({ ...match, host: 'a', path: '', methods: undefined })),
    { maxLength: 30, size: 'max' },
  ),
)

test('the same pairs are found as by comparing each with each', () => {
  fc.assert(
    fc.property(lists, (list) => {
      const expected: string[] = []
      for (const [j, b] of list.entries()) {
        for (const [i, a] of list.slice(0, j).entries()) if (areAmbiguous(a, b)) expected.push(`${i} ${j}`)
      }
      const found = ambiguousPairs(list, 1_000).map(([i, j]) => `${i} ${j}`)
      assert.deepEqual(found.sort(), expected.sort())
    }),
    { numRuns: 500 },
  )
})

test('of thousands of equal matches a bounded number is told', () => {
  const same = Array.from({ length: 10_000 }, () => anything)
  assert.equal(ambiguousPairs(same).length, 100)
  assert.equal(ambiguousPairs(same, 3).length, 3)
})

function areAmbiguous(a: RouteMatch, b: RouteMatch): boolean {
  const agree = (x: Readonly<Record<string, string>>, y: Readonly<Record<string, string>>) =>
    Object.keys(x).every((name) => y[name] === undefined || y[name] === x[name])
  return (
    a.host === b.host &&
    a.path === b.path &&
    compareConditions(a, b) === 0 &&
    (!a.methods || !b.methods || a.methods.some((method) => b.methods?.includes(method))) &&
    agree(a.headers, b.headers) &&
    agree(a.query, b.query)
  )
}
