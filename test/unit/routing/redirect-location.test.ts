import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { redirectLocation } from '../../../src/routing/redirect-location.js'

test('path and query are kept where the redirect names none', () => {
  const cases: [string, string, string][] = [
    ['https://api.example.com', '/a/b?c=%20&d', 'https://api.example.com/a/b?c=%20&d'],
    ['https://api.example.com', '/', 'https://api.example.com/'],
    ['https://api.example.com', '?a', 'https://api.example.com/'],
    ['https://api.example.com', '*', 'https://api.example.com/'],
    ['https://api.example.com:8443', '/a', 'https://api.example.com:8443/a'],
    ['http://[::1]:80', '/a', 'http://[::1]:80/a'],
    ['https://api.example.com?x=1', '/a?b', 'https://api.example.com/a?x=1'],
    ['https://api.example.com/', '/a?b', 'https://api.example.com/'],
    ['https://api.example.com/new?x', '/a?b', 'https://api.example.com/new?x'],
    ['/new', '/a?b', '/new'],
    ['/', '/a?b', '/'],
  ]
  for (const [to, target, location] of cases) assert.equal(redirectLocation(to, target), location, to)
})

test('no target leads to another host, or to another field', () => {
  const piece = fc.constantFrom(
    '/',
    '//',
    '\\',
    '@',
    '.',
    '..',
    'evil.example',
    ':',
    '\r\n',
    '\t',
    ' ',
    '?',
    '#',
    '%0d%0a',
    'é',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const location = redirectLocation('https://api.example.com:8443', pieces.join(''))
      assert.equal(new URL(location).origin, 'https://api.example.com:8443')
      assert.match(location, /^[!-~]+$/)
    }),
  )
})
