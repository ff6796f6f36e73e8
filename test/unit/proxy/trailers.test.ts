import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sendableTrailers } from '../../../src/proxy/http/trailers.js'
import { toHeaders } from '../../support/headers.js'

const sendable = (lines: string[], isDropped?: (name: string) => boolean) =>
  Object.entries(sendableTrailers(toHeaders(lines), isDropped))

test('trailers that can be sent stay, whatever their name', () => {
  assert.deepEqual(
    sendable(['X-Sum', '1', 'x-sum', '2', 'ETag', '"a"', '__proto__', 'p', 'X-Latin', 'caf\xe9']),
    [
      ['x-sum', ['1', '2']],
      ['etag', '"a"'],
      ['__proto__', 'p'],
      ['x-latin', 'caf\xe9'],
    ],
  )
  assert.deepEqual(sendable([]), [])
})

test('trailers that no message may have, or this one, are left out', () => {
  const forbidden = [
    'Content-Length',
    'Transfer_Encoding',
    'Host',
    'TE',
    'HTTP2-Settings',
    'If-Match',
    'Set-Cookie',
  ]
  assert.deepEqual(sendable([...forbidden.flatMap((name) => [name, 'v']), 'x-a', '1']), [['x-a', '1']])
  assert.deepEqual(
    sendable(['X-Hush', '1', 'X-A', '2'], (name) => name === 'x-hush'),
    [['x-a', '2']],
  )
})

test('trailers that cannot be written are left out', () => {
  const broken = [
    'x-a',
    'b\r\nc: d',
    'x b',
    'e',
    '',
    'f',
    'x-c',
    '\u010a',
    'x-d',
    'ok',
    'x-d',
    '\0',
    ':path',
    '/',
  ]
  assert.deepEqual(sendable([...broken, 'x-ok', 'ok']), [['x-ok', 'ok']])
})
