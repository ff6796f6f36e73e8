import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Headers } from '../../../src/proxy/http/fields.js'
import {
  changeRequestFields,
  changeResponseFields,
  type HeaderChanges,
  refusedFieldNames,
  requestChangesOf,
  responseChangesOf,
} from '../../../src/proxy/http/header-changes.js'

const none: HeaderChanges = { set: {}, add: {}, remove: [] }

test('nothing is made of no changes', () => {
  assert.equal(requestChangesOf(none), undefined)
  assert.equal(responseChangesOf(none), undefined)
})

test('fields of a request are set, added and removed, whatever their spelling', () => {
  const changes = requestChangesOf({ set: { 'x-user': 'ann' }, add: { 'x-a': '2' }, remove: ['x-gone'] })
  assert.ok(changes)
  const lines = [
    'host',
    '',
    'X-User',
    'mallory',
    'x_user',
    'mallory',
    'X-A',
    '1',
    'x-GONE',
    '',
    'Accept',
    '*/*',
  ]
  assert.deepEqual(changeRequestFields(lines, changes), [
    ...['host', '', 'X-A', '1', 'Accept', '*/*', 'x-user', 'ann', 'x-a', '2'],
  ])
})

test('Host is replaced apart from the lines', () => {
  const changes = requestChangesOf({ ...none, set: { host: 'other.example' } })
  assert.equal(changes?.host, 'other.example')
  assert.deepEqual(changes && changeRequestFields(['host', ''], changes), ['host', ''])
})

test('fields of a response are set, added and removed', () => {
  const changes = responseChangesOf({
    set: { 'cache-control': 'no-store' },
    add: { 'set-cookie': 'c=3', constructor: 'x', 'x-new': 'n' },
    remove: ['server'],
  })
  assert.ok(changes)
  const headers: Headers = { server: 'a', 'cache-control': ['a', 'b'], 'set-cookie': ['a=1', 'b=2'] }
  changeResponseFields(headers, changes)
  assert.deepEqual(headers, {
    'cache-control': 'no-store',
    'set-cookie': ['a=1', 'b=2', 'c=3'],
    constructor: 'x',
    'x-new': 'n',
  })
})

test("with CORS the backend's own fields go, and Vary says that the origin matters", () => {
  const changes = responseChangesOf(none, { varies: true })
  assert.ok(changes)
  const backend = (vary?: string | string[]): Headers => ({
    'access-control-allow-origin': '*',
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': 'x',
    ...(vary && { vary }),
  })
  const varies = (vary?: string | string[]) => {
    const headers = backend(vary)
    changeResponseFields(headers, changes)
    return headers
  }
  assert.deepEqual(varies(), {})
  assert.deepEqual(varies('Accept'), { vary: 'Accept, Origin' })
  assert.deepEqual(varies(['Accept', 'origin']), { vary: 'Accept, origin' })
  assert.deepEqual(varies('*'), { vary: '*' })
  const open = responseChangesOf(none, { varies: false })
  const headers = backend('Accept')
  if (open) changeResponseFields(headers, open)
  assert.deepEqual(headers, { vary: 'Accept' })
})

test('fields of framing and of the connection are refused, and values that are none', () => {
  const named = (...names: string[]): HeaderChanges => ({ ...none, remove: names })
  const framing = ['connection', 'content-length', 'transfer-encoding', 'te', 'trailer', 'upgrade', 'expect']
  assert.deepEqual(refusedFieldNames(named(...framing), 'request'), framing)
  assert.deepEqual(refusedFieldNames(named('sec-websocket-accept', '__proto__', 'a b', ''), 'response'), [
    ...['sec-websocket-accept', '__proto__', 'a b', ''],
  ])
  assert.deepEqual(refusedFieldNames(named('server', 'set-cookie', 'x-a'), 'response'), [])
  const set = (value: string): HeaderChanges => ({ ...none, set: { 'x-a': value } })
  for (const bad of ['a\r\nb: c', 'a\nb', '\0', ' a', 'a ', '\u20ac'])
    assert.deepEqual(refusedFieldNames(set(bad), 'request'), ['x-a'], bad)
  for (const good of ['', 'a b', '\u00e9']) assert.deepEqual(refusedFieldNames(set(good), 'request'), [])
  assert.deepEqual(refusedFieldNames({ ...none, set: { host: 'a' } }, 'request'), [])
  for (const changes of [{ ...none, set: { host: '' } }, { ...none, add: { host: 'a' } }, named('host')])
    assert.deepEqual(refusedFieldNames(changes, 'request'), ['host'])
  assert.deepEqual(refusedFieldNames({ ...none, set: { host: 'a' } }, 'response'), ['host'])
})
