import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rewritePath } from '../../../src/proxy/downstream/request/rewrite-path.js'

test('a path without prefix goes through byte for byte', () => {
  for (const path of ['/', '/a//b', '/a%2Fb/../c', '/?', '/?a=b%20c&&', '/..%2f..', '/a;b=c/%7E', '//x']) {
    assert.equal(rewritePath(path, 0, ''), path)
  }
})

test('the prefix is taken off, whatever it looks like encoded', () => {
  const cases: [string, number, string][] = [
    ['/api/a', 1, '/a'],
    ['/api', 1, '/'],
    ['/api/', 1, '/'],
    ['/api?x=/y', 1, '/?x=/y'],
    ['/api//a', 1, '//a'],
    ['/%61pi/a', 1, '/a'],
    ['/api/v1/a', 2, '/a'],
    ['/api/v1?x', 2, '/?x'],
  ]
  for (const [url, strip, path] of cases) assert.equal(rewritePath(url, strip, ''), path, url)
})

test('another prefix takes its place', () => {
  const cases: [string, string, string][] = [
    ['/api/a', '/v2', '/v2/a'],
    ['/api', '/v2', '/v2'],
    ['/api?x', '/v2', '/v2?x'],
    ['/api/a/../b', '/v2', '/v2/a/../b'],
    ['/api/a..b/...', '/v2', '/v2/a..b/...'],
    ['/api/x?../../..', '/v2', '/v2/x?../../..'],
  ]
  for (const [url, prefix, path] of cases) assert.equal(rewritePath(url, 1, prefix), path, url)
})

test('dots do not lead out of the other prefix, however they are written', () => {
  for (const rest of [
    '..',
    '../x',
    'a/../../x',
    '%2e%2e/x',
    '.%2E/x',
    '..%2fx',
    '..\\x',
    '..%5cx',
    './../x',
    'a//../../x',
  ]) {
    assert.equal(rewritePath(`/api/${rest}`, 1, '/v2'), undefined, rest)
  }
})

test('dots do not lead out of the other prefix in any of the ways in which backends read a path', () => {
  for (const rest of [
    '..;/x',
    '..;a=b/x',
    'a%2fb/../../x',
    'a\\b/../../x',
    '%252e%252e/x',
    '..%252fx',
    '..%3bx/y',
  ]) {
    assert.equal(rewritePath(`/api/${rest}`, 1, '/v2'), undefined, rest)
  }
  for (const rest of ['a%2fb/../x', 'a;b/../x', '...;/x', 'a%252e%252e']) {
    assert.equal(rewritePath(`/api/${rest}`, 1, '/v2'), `/v2/${rest}`, rest)
  }
})

test('a prefix of several segments is counted in the path as the client wrote it', () => {
  const cases: [string, number, string, string][] = [
    ['/%75sers/1', 1, '', '/1'],
    ['/%75%73ers', 1, '/v2', '/v2'],
    ['/a%20b/c/%2F?x=%2F', 2, '', '/%2F?x=%2F'],
    ['/m%C3%BCnchen/%C3%BC', 1, '/v2/x', '/v2/x/%C3%BC'],
    ['/users/1', 1, '/', '/1'],
    ['/users', 1, '/v2/', '/v2/'],
    ['/users/', 1, '/v2', '/v2/'],
    ['/users?a', 1, '', '/?a'],
    ['/1?a', 0, '/v2', '/v2/1?a'],
  ]
  for (const [url, strip, prefix, path] of cases) assert.equal(rewritePath(url, strip, prefix), path, url)
})
