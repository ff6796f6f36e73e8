import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CHUNK_END, chunkHead, lastChunk } from '../../../../src/proxy/upstream/transport/http1/chunks.js'

test('a chunk begins with its length in hexadecimal digits', () => {
  for (const [bytes, head] of [
    [1, '1\r\n'],
    [15, 'f\r\n'],
    [16, '10\r\n'],
    [65_536, '10000\r\n'],
    [2 ** 40, '10000000000\r\n'],
  ] as const) {
    assert.equal(chunkHead(bytes), head)
  }
  assert.equal(CHUNK_END, '\r\n')
})

test('a body without trailers ends with an empty chunk', () => {
  assert.equal(lastChunk([]), '0\r\n\r\n')
  assert.equal(lastChunk(['Content-Length', '5']), '0\r\n\r\n')
})

test('trailers follow the last chunk in their order, with names in lower case', () => {
  const trailers = ['X-Sum', 'one', 'x-sum', 'caf\xe9', '__proto__', 'p', 'X-Empty', '']
  assert.equal(lastChunk(trailers), '0\r\nx-sum: one\r\nx-sum: caf\xe9\r\n__proto__: p\r\nx-empty: \r\n\r\n')
})

test('trailers that no message may have are left out, in any spelling', () => {
  const forbidden = ['Content-Length', 'transfer_encoding', 'HOST', 'X-Forwarded-For', 'Authorization']
  assert.equal(
    lastChunk(['x-a', '1', ...forbidden.flatMap((name) => [name, 'v']), 'x-b', '2']),
    '0\r\nx-a: 1\r\nx-b: 2\r\n\r\n',
  )
})

test('a rule leaves out further trailers, and is given their names in lower case', () => {
  assert.equal(
    lastChunk(['X-Hush', '1', 'X-A', '2'], (name) => name === 'x-hush'),
    '0\r\nx-a: 2\r\n\r\n',
  )
})

test('trailers that cannot be written are left out', () => {
  const broken = ['x-a', 'b\r\nc: d', 'x y', 'e', '', 'f', 'x-g', '\u010a', 'x-ok', 'ok']
  assert.equal(lastChunk(broken), '0\r\nx-ok: ok\r\n\r\n')
})
