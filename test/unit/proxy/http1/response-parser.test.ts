import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Headers } from '../../../../src/proxy/http/fields.js'
import { toHeaders } from '../../../support/headers.js'
import { type Asked, byteByByte, cut, type Played, play } from '../../../support/played-response.js'

interface Expected {
  status?: number | number[]
  message?: string
  headers?: Headers
  body?: string
  end?: string
  trailers?: Headers
  left?: string
  keepsAlive?: boolean
  keepAliveTimeout?: number | undefined
  endsWithConnection?: boolean
}

const OK = 'HTTP/1.1 200 OK\r\n'
const TWO = `${OK}Content-Length: 2\r\n`
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`

/** Compares what is expected with what a parser said. */
function check(played: Played, { status, message, headers, ...rest }: Expected): void {
  const { heads } = played
  const last = heads.at(-1)
  if (status !== undefined)
    assert.deepEqual(
      heads.map(([code]) => code),
      [status].flat(),
    )
  if (message !== undefined) assert.equal(last?.[1], message)
  if (headers !== undefined) assert.deepEqual(last?.[2], toHeaders(Object.entries(headers).flatMap(lines)))
  for (const [name, value] of Object.entries(rest)) {
    const expected = name === 'trailers' ? toHeaders(Object.entries(value as Headers).flatMap(lines)) : value
    assert.deepEqual(played[name as keyof Played], expected, name)
  }
}

function lines([name, value]: [string, Headers[string]]): string[] {
  return [value ?? []].flat().flatMap((line) => [name, line])
}

/** Plays a response whole, byte by byte, and cut in two at each position. */
function everyCut(text: string, asked: Asked, expected: Expected): void {
  const bytes = Buffer.from(text, 'latin1')
  const whole = play([bytes], asked)
  check(whole, { end: 'end', ...expected })
  assert.deepEqual(play(byteByByte(bytes), asked), whole, 'byte by byte')
  for (let at = 1; at < bytes.length; at++) {
    assert.deepEqual(play(cut(bytes, at), asked), whole, `cut at ${at}: ${JSON.stringify(text.slice(at))}`)
  }
}

type Case = [name: string, text: string, expected: Expected, asked?: Asked]

const cases: Case[] = [
  [
    'a length',
    `${TWO}\r\nab`,
    { status: 200, message: 'OK', headers: { 'content-length': '2' }, body: 'ab', keepsAlive: true },
  ],
  ['a length of 0', `${OK}Content-Length: 0\r\n\r\nx`, { body: '', left: 'x', keepsAlive: true }],
  ['bytes behind the body', `${TWO}\r\nabHTTP/1.1`, { body: 'ab', left: 'HTTP/1.1' }],
  ['a body that is cut', `${TWO}\r\na`, { body: 'a', end: 'cut' }],
  ['a body that goes on', `${TWO}\r\na`, { body: 'a', end: 'open' }, { isOpen: true }],
  ['a length of 00002', `${OK}Content-Length: 00002\r\n\r\nab`, { body: 'ab' }],
  [
    'a body until the end',
    `${OK}X: y\r\n\r\nabc`,
    { body: 'abc', keepsAlive: false, endsWithConnection: true },
  ],
  [
    'a body until the end, kept alive by its word',
    `${OK}Connection: keep-alive\r\n\r\nabc`,
    { body: 'abc', keepsAlive: false },
  ],
  ['an empty body until the end', `${OK}\r\n`, { body: '', headers: {}, endsWithConnection: true }],
  [
    'a body until the end that goes on',
    `${OK}\r\nab`,
    { body: 'ab', end: 'open', endsWithConnection: true },
    { isOpen: true },
  ],

  ['nothing', '', { end: 'cut', status: [] }],
  ['half a status line', 'HTTP/1.1 20', { end: 'cut', status: [] }],
  ['less than the name of the protocol', 'HTT', { end: 'cut', status: [] }],
  ['half a head', `${OK}Content-Le`, { end: 'cut', status: [] }],
  ['a head without its last line', `${OK}X: y\r\n`, { end: 'cut', status: [] }],

  ['empty lines before the head', `\r\n\r\n${TWO}\r\nab`, { status: 200, body: 'ab' }],
  ['no reason', 'HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n', { status: 200, message: '' }],
  ['no reason and no space', 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', { status: 200, message: '' }],
  [
    'a reason of any kind',
    'HTTP/1.1 200  G\xfcltig \t ok\r\nContent-Length: 0\r\n\r\n',
    { message: ' G\xfcltig \t ok' },
  ],
  ['a status that is not known', 'HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n', { status: 999 }],
  ['two spaces before the status', 'HTTP/1.1  200 OK\r\n\r\n', { end: 'HPE_INVALID_STATUS' }],
  ['two digits', 'HTTP/1.1 99 Low\r\n\r\n', { end: 'HPE_INVALID_STATUS' }],
  ['four digits', 'HTTP/1.1 2000 OK\r\n\r\n', { end: 'HPE_INVALID_STATUS' }],
  ['a status of class 0', 'HTTP/1.1 099 No\r\n\r\n', { end: 'HPE_INVALID_STATUS' }],
  ['a signed status', 'HTTP/1.1 +20 OK\r\n\r\n', { end: 'HPE_INVALID_STATUS' }],
  ['no space behind the status', 'HTTP/1.1 200OK\r\n\r\n', { end: 'HPE_INVALID_STATUS' }],
  ['a status that ends with LF', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n', { end: 'HPE_CR_EXPECTED' }],
  ['a CR in the reason', 'HTTP/1.1 200 O\rK\r\n\r\n', { end: 'HPE_LF_EXPECTED' }],
  ['HTTP/1.2', 'HTTP/1.2 200 OK\r\n\r\n', { end: 'HPE_INVALID_VERSION' }],
  ['HTTP/1.10', 'HTTP/1.10 200 OK\r\n\r\n', { end: 'HPE_INVALID_VERSION' }],
  ['HTTP/1', 'HTTP/1 200 OK\r\n\r\n', { end: 'HPE_INVALID_VERSION' }],
  ['HTTP/2', 'HTTP/2 200\r\n\r\n', { end: 'HPE_INVALID_VERSION' }],
  ['HTTP/2.0', 'HTTP/2.0 200 OK\r\n\r\n', { end: 'BAD_ANSWER' }],
  ['HTTP/0.9', 'HTTP/0.9 200 OK\r\n\r\n', { end: 'BAD_ANSWER' }],
  ['lower case', 'http/1.1 200 OK\r\n\r\n', { end: 'HPE_INVALID_CONSTANT' }],
  ['SSH', 'SSH-2.0-OpenSSH_9.6\r\n', { end: 'HPE_INVALID_CONSTANT' }],
  ['an alert of TLS', '\x15\x03\x01\x00\x02\x02\x46', { end: 'HPE_INVALID_CONSTANT' }],
  ['settings of HTTP/2', '\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0d', { end: 'HPE_INVALID_CONSTANT' }],
  ['a line that is short', 'no\r\n', { end: 'HPE_INVALID_CONSTANT' }],
  ['a CR alone before the head', `\r${OK}\r\n`, { end: 'HPE_INVALID_CONSTANT' }],
  ['a LF alone before the head', `\n${OK}\r\n`, { end: 'HPE_INVALID_CONSTANT' }],

  ['names in any case', `${OK}X-AbC: Def\r\nx-ABC: gHi\r\n\r\n`, { headers: { 'x-abc': ['Def', 'gHi'] } }],
  [
    'repeated fields',
    `${OK}Set-Cookie: a=1\r\nX: 1\r\nSet-Cookie: b, c\r\nX: 1\r\nSet-Cookie: a=1\r\n\r\n`,
    { headers: { 'set-cookie': ['a=1', 'b, c', 'a=1'], x: ['1', '1'] } },
  ],
  [
    'whitespace around a value',
    `${OK}A:1\r\nB: \t 2 \t\r\nC:\r\nD: \t \r\nE: a \t b\r\n\r\n`,
    { headers: { a: '1', b: '2', c: '', d: '', e: 'a \t b' } },
  ],
  [
    'a value in latin1',
    `${OK}X: caf\xe9 \xc3\xa9 \xff\x80\r\n\r\n`,
    { headers: { x: 'caf\xe9 \xc3\xa9 \xff\x80' } },
  ],
  [
    'every character of a name',
    `${OK}!#$%&'*+-.^_\`|~09AZaz: x\r\n\r\n`,
    { headers: { "!#$%&'*+-.^_`|~09azaz": 'x' } },
  ],
  ['a name of digits', `${OK}12: a\r\n0: b\r\n12: c\r\n\r\n`, { headers: { 0: 'b', 12: ['a', 'c'] } }],
  [
    'a long name and value',
    `${OK}${'X'.repeat(90)}: ${'y'.repeat(300)}\r\n\r\n`,
    { headers: { ['x'.repeat(90)]: 'y'.repeat(300) } },
  ],
  ['no name', `${OK}: a\r\n\r\n`, { end: 'HPE_INVALID_HEADER_TOKEN' }],
  ['no colon', `${OK}no field\r\n\r\n`, { end: 'HPE_INVALID_HEADER_TOKEN' }],
  ['a name alone', `${OK}X\r\n\r\n`, { end: 'HPE_INVALID_HEADER_TOKEN' }],
  ['a space before the colon', `${OK}X : a\r\n\r\n`, { end: 'HPE_INVALID_HEADER_TOKEN' }],
  ['a tab before the colon', `${OK}X\t: a\r\n\r\n`, { end: 'HPE_INVALID_HEADER_TOKEN' }],
  ['a name that is no ASCII', `${OK}caf\xe9: a\r\n\r\n`, { end: 'HPE_INVALID_HEADER_TOKEN' }],
  ['a folded line', `${OK}X: a\r\n b\r\n\r\n`, { end: 'HPE_INVALID_HEADER_TOKEN' }],
  [
    'a folded line that looks like a field',
    `${OK}X: a\r\n\tContent-Length: 2\r\n\r\nab`,
    { end: 'HPE_INVALID_HEADER_TOKEN' },
  ],
  ['a folded line of spaces', `${OK}X: a\r\n  \r\n\r\n`, { end: 'HPE_INVALID_HEADER_TOKEN' }],
  ['a space before the first field', `${OK} X: a\r\n\r\n`, { end: 'HPE_UNEXPECTED_SPACE' }],
  ['a NUL in a value', `${OK}X: a\0b\r\n\r\n`, { end: 'HPE_INVALID_HEADER_TOKEN' }],
  ['a control character in a value', `${OK}X: a\x01b\r\n\r\n`, { end: 'HPE_INVALID_HEADER_TOKEN' }],
  ['DEL in a value', `${OK}X: a\x7f\r\n\r\n`, { end: 'HPE_INVALID_HEADER_TOKEN' }],
  ['a field that ends with LF', `${OK}X: a\nY: b\r\n\r\n`, { end: 'HPE_CR_EXPECTED' }],
  ['an empty field that ends with LF', `${OK}X:\nY: b\r\n\r\n`, { end: 'HPE_CR_EXPECTED' }],
  ['a CR in a value', `${OK}X: a\rb\r\n\r\n`, { end: 'HPE_LF_EXPECTED' }],
  ['a field that ends with two CRs', `${OK}X: a\r\r\n\r\n`, { end: 'HPE_LF_EXPECTED' }],
  ['a head that ends with LF', `${OK}X: a\r\n\n`, { end: 'HPE_CR_EXPECTED' }],
  ['a head that ends with CR', `${OK}X: a\r\n\rX\r\n\r\n`, { end: 'HPE_LF_EXPECTED' }],

  ['two lengths', `${TWO}Content-Length: 3\r\n\r\nabc`, { end: 'HPE_UNEXPECTED_CONTENT_LENGTH', status: [] }],
  [
    'one length twice',
    `${TWO}content-length: 2\r\n\r\nab`,
    { end: 'HPE_UNEXPECTED_CONTENT_LENGTH', status: [] },
  ],
  [
    'a length and a coding',
    `${TWO}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    { end: 'HPE_UNEXPECTED_CONTENT_LENGTH', status: [] },
  ],
  [
    'a coding and a length',
    `${OK}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n`,
    { end: 'HPE_UNEXPECTED_CONTENT_LENGTH' },
  ],
  [
    'two lengths of HEAD',
    `${TWO}Content-Length: 3\r\n\r\n`,
    { end: 'HPE_UNEXPECTED_CONTENT_LENGTH' },
    { method: 'HEAD' },
  ],
  ...[
    '',
    '-2',
    '+2',
    '2, 2',
    '2 2',
    '0x2',
    '2.0',
    '1e1',
    'two',
    '\xb2',
    '99999999999999999999',
    '9007199254740993',
  ].map(
    (length): Case => [
      `a length of "${length}"`,
      `${OK}Content-Length: ${length}\r\n\r\nab`,
      { end: 'HPE_INVALID_CONTENT_LENGTH' },
    ],
  ),

  [
    'chunks',
    `${CHUNKED}2\r\nab\r\nA\r\n0123456789\r\n0\r\n\r\nx`,
    { body: 'ab0123456789', trailers: {}, left: 'x', keepsAlive: true },
  ],
  ['chunked in any case', `${OK}Transfer-Encoding: \tcHUNKED \r\n\r\n1\r\na\r\n0\r\n\r\n`, { body: 'a' }],
  ['extensions', `${CHUNKED}1;a\r\na\r\n1;a=b; c = "d;\\"\t\xff"\r\nb\r\n0;x\r\n\r\n`, { body: 'ab' }],
  ['leading zeros', `${CHUNKED}0000000000000000000001\r\na\r\n000\r\n\r\n`, { body: 'a' }],
  [
    'trailers',
    `${CHUNKED}1\r\na\r\n0\r\nX-Sum: 1\r\nX-SUM:2\r\nConnection: close\r\n\r\n`,
    { body: 'a', keepsAlive: true, trailers: { 'x-sum': ['1', '2'], connection: 'close' } },
  ],
  // What other implementations were reported to take for something else.
  [
    'no size where a last chunk is due',
    `${CHUNKED}1\r\nZ\r\n\r\n\r\n`,
    { body: 'Z', end: 'HPE_INVALID_CHUNK_SIZE' },
  ],
  [
    'a response in place of a size',
    `${CHUNKED}1\r\nZ\r\n${OK}\r\n`,
    { body: 'Z', end: 'HPE_INVALID_CHUNK_SIZE' },
  ],
  [
    'a size with other bytes behind it',
    `${CHUNKED}1these-bytes\r\nZ\r\n0\r\n\r\n`,
    { end: 'HPE_INVALID_CHUNK_SIZE' },
  ],
  ['a size with an underscore', `${CHUNKED}0_0\r\n\r\n`, { end: 'HPE_INVALID_CHUNK_SIZE' }],
  ['a size that is 0 modulo 2^64', `${CHUNKED}10000000000000000\r\n\r\n`, { end: 'HPE_INVALID_CHUNK_SIZE' }],
  [
    'two bytes behind data that are no CRLF',
    `${CHUNKED}5\r\nAAAAAXX0\r\n\r\n`,
    { body: 'AAAAA', end: 'HPE_INVALID_CHUNK_SIZE' },
  ],
  [
    'a vertical tab before a coding',
    `${OK}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
    { end: 'HPE_INVALID_HEADER_TOKEN' },
  ],
  [
    'a form feed behind a length',
    `${OK}Content-Length: 2\x0c\r\n\r\nab`,
    { end: 'HPE_INVALID_HEADER_TOKEN' },
  ],
  ['a length with the letter O', `${OK}Content-Length: 5O\r\n\r\nab`, { end: 'HPE_INVALID_CONTENT_LENGTH' }],
  ['a tab in a name', `${OK}X-Foo\t: hello\r\n\r\n`, { end: 'HPE_INVALID_HEADER_TOKEN' }],
  ['a semicolon in a name', `${OK}X-Foo;: hello\r\n\r\n`, { end: 'HPE_INVALID_HEADER_TOKEN' }],
  ['a protocol without a version', 'HTTP OK\r\n\r\n', { end: 'HPE_INVALID_CONSTANT' }],
  ['304 with a body', 'HTTP/1.1 304 No\r\nContent-Length: 2\r\n\r\n<!', { body: '', left: '<!' }],
  [
    '100 with a length',
    `HTTP/1.1 100\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n${TWO}\r\nab`,
    { status: [100, 200], body: 'ab' },
  ],
  [
    '101 with a length',
    'HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 0\r\n\r\nabc',
    { end: 'switch', left: 'abc' },
    { isUpgrade: true },
  ],
  [
    '426 with an upgrade',
    'HTTP/1.1 426 U\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 0\r\n\r\n',
    { status: 426, end: 'end', keepsAlive: true },
  ],
  ['Trailer without chunks', `${TWO}Trailer: X\r\n\r\nab`, { body: 'ab', trailers: {} }],
  ['no last chunk', `${CHUNKED}1\r\na\r\n`, { body: 'a', end: 'cut' }],
  ['half a last chunk', `${CHUNKED}1\r\na\r\n0\r\n`, { body: 'a', end: 'cut' }],
  ['half a chunk', `${CHUNKED}5\r\nabc`, { body: 'abc', end: 'cut' }],
  ...[
    '\r\n',
    ' 1\r\n',
    '1 \r\n',
    '1 ;a\r\n',
    'zz\r\n',
    '0x1\r\n',
    '-1\r\n',
    '+1\r\n',
    '1g\r\n',
    ';a\r\n',
    'fffffffffffffffff\r\n',
    '20000000000000\r\n',
    '\xb9\r\n',
    '1,\r\n',
  ].map(
    (line): Case => [
      `a chunk of "${line.trimEnd()}"`,
      `${CHUNKED}${line}a\r\n0\r\n\r\n`,
      { body: '', end: 'HPE_INVALID_CHUNK_SIZE' },
    ],
  ),
  ['a size that ends with LF', `${CHUNKED}1\na\r\n0\r\n\r\n`, { end: 'HPE_CR_EXPECTED' }],
  ['a size that ends with CR', `${CHUNKED}1\rXa\r\n0\r\n\r\n`, { end: 'HPE_LF_EXPECTED' }],
  ['an extension that ends with LF', `${CHUNKED}1;a\na\r\n0\r\n\r\n`, { end: 'HPE_CR_EXPECTED' }],
  ['a CR in an extension', `${CHUNKED}1;a\rb\r\na\r\n0\r\n\r\n`, { end: 'HPE_LF_EXPECTED' }],
  ['a NUL in an extension', `${CHUNKED}1;a\0\r\na\r\n0\r\n\r\n`, { end: 'HPE_STRICT' }],
  [
    'a chunk that is too long',
    `${CHUNKED}1\r\nab\r\n0\r\n\r\n`,
    { body: 'a', end: 'HPE_INVALID_CHUNK_SIZE' },
  ],
  ['data that ends with LF', `${CHUNKED}1\r\na\n0\r\n\r\n`, { body: 'a', end: 'HPE_CR_EXPECTED' }],
  ['data that ends with CR', `${CHUNKED}1\r\na\r0\r\n\r\n`, { body: 'a', end: 'HPE_LF_EXPECTED' }],
  ['a last chunk that ends with LF', `${CHUNKED}0\n\r\n`, { end: 'HPE_CR_EXPECTED' }],
  ['trailers that end with LF', `${CHUNKED}0\r\nX: a\r\n\n`, { end: 'HPE_CR_EXPECTED' }],
  ['a folded trailer', `${CHUNKED}0\r\nX: a\r\n b\r\n\r\n`, { end: 'HPE_INVALID_HEADER_TOKEN' }],
  ['a space before the first trailer', `${CHUNKED}0\r\n X: a\r\n\r\n`, { end: 'HPE_UNEXPECTED_SPACE' }],
  [
    'trailers that are for heads',
    `${CHUNKED}0\r\nContent-Length: 1\r\nTransfer-Encoding: gzip\r\nContent-Length: x\r\n\r\na`,
    { body: '', left: 'a', trailers: { 'content-length': ['1', 'x'], 'transfer-encoding': 'gzip' } },
  ],

  ...['gzip', 'gzip, chunked', 'chunked, gzip', 'chunked, chunked', 'xchunked', '', 'identity'].map(
    (coding): Case => [
      `the coding "${coding}"`,
      `${OK}Transfer-Encoding: ${coding}\r\n\r\n0\r\n\r\n`,
      {
        status: 200,
        headers: { 'transfer-encoding': coding },
        body: '0\r\n\r\n',
        keepsAlive: false,
        endsWithConnection: true,
      },
    ],
  ),
  [
    'chunked in two lines',
    `${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    { headers: { 'transfer-encoding': ['chunked', 'chunked'] }, keepsAlive: false, endsWithConnection: true },
  ],

  ['HEAD with a length', `${TWO}\r\nab`, { body: '', left: 'ab', keepsAlive: true }, { method: 'HEAD' }],
  ['HEAD with chunks', `${CHUNKED}x`, { body: '', left: 'x', keepsAlive: true }, { method: 'HEAD' }],
  [
    'HEAD without a length',
    `${OK}\r\n`,
    { body: '', keepsAlive: true, endsWithConnection: false },
    { method: 'HEAD' },
  ],
  [
    '204 with a length',
    'HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\nab',
    { status: 204, body: '', left: 'ab', keepsAlive: false },
  ],
  [
    '204 with chunks',
    'HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0',
    { status: 204, left: '0', keepsAlive: false },
  ],
  ['204 without a body', 'HTTP/1.1 204 No\r\n\r\n', { status: 204, body: '', keepsAlive: true }],
  [
    '204 with the length 0',
    'HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n',
    { status: 204, body: '', keepsAlive: true },
  ],
  [
    '304 with a length',
    'HTTP/1.1 304 No\r\nContent-Length: 2\r\n\r\n',
    { status: 304, body: '', keepsAlive: true },
  ],
  ['205 with a body', 'HTTP/1.1 205 Reset\r\nContent-Length: 1\r\n\r\na', { status: 205, body: 'a' }],

  [
    'informational responses',
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: a\r\nLink: b\r\n\r\nHTTP/1.1 199 \r\n\r\n${TWO}\r\nab`,
    { status: [100, 103, 199, 200], body: 'ab' },
  ],
  [
    'an informational response with a length',
    `HTTP/1.1 103 H\r\nContent-Length: 5\r\n\r\n${TWO}\r\nab`,
    { status: [103, 200], body: 'ab' },
  ],
  [
    'an informational response to HEAD',
    `HTTP/1.1 102 P\r\n\r\n${TWO}\r\n`,
    { status: [102, 200], body: '' },
    { method: 'HEAD' },
  ],
  ['an informational response alone', 'HTTP/1.1 103 H\r\n\r\n', { status: 103, end: 'cut' }],
  ['an informational response without an end', 'HTTP/1.1 103 H\r\nLink: a\r\n', { status: [], end: 'cut' }],
  [
    'an informational response with two lengths',
    `HTTP/1.1 103 H\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n${OK}\r\n`,
    { end: 'HPE_UNEXPECTED_CONTENT_LENGTH' },
  ],

  [
    'a switch',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: x, Upgrade\r\nUpgrade: echo\r\n\r\n\x81\0HTTP',
    { end: 'switch', headers: { connection: 'x, Upgrade', upgrade: 'echo' }, left: '\x81\0HTTP' },
    { isUpgrade: true },
  ],
  [
    'a switch after other responses',
    'HTTP/1.1 100 C\r\n\r\nHTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
    { status: [100, 101], end: 'switch' },
    { isUpgrade: true },
  ],
  [
    'a switch that nobody asked for',
    'HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nabc',
    { status: [], end: 'BAD_ANSWER' },
  ],
  [
    'a switch to nothing',
    'HTTP/1.1 101 S\r\nConnection: upgrade\r\n\r\nabc',
    { end: 'BAD_ANSWER' },
    { isUpgrade: true },
  ],
  [
    'a switch of another connection',
    'HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\nabc',
    { end: 'BAD_ANSWER' },
    { isUpgrade: true },
  ],
  [
    'a switch to an empty name',
    'HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade:\r\n\r\nabc',
    { end: 'BAD_ANSWER' },
    { isUpgrade: true },
  ],
  ['no switch', `${TWO}\r\nab`, { body: 'ab' }, { isUpgrade: true }],

  ['Connection: close', `${TWO}Connection: close\r\n\r\nab`, { keepsAlive: false }],
  [
    'Connection: CLOSE among others',
    `${TWO}Connection: x\r\nConnection: y,\tCLOSE , z\r\n\r\nab`,
    { keepsAlive: false },
  ],
  ['Connection: closed', `${TWO}Connection: closed, not-close\r\n\r\nab`, { keepsAlive: true }],
  ['Connection: keep-alive, close', `${TWO}Connection: keep-alive, close\r\n\r\nab`, { keepsAlive: false }],
  ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab', { body: 'ab', keepsAlive: false }],
  [
    'HTTP/1.0, kept alive',
    'HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nab',
    { body: 'ab', keepsAlive: true },
  ],
  [
    'HTTP/1.0, close',
    'HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\nContent-Length: 2\r\n\r\nab',
    { keepsAlive: false },
  ],
  [
    'HTTP/1.0 until the end',
    'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nab',
    { body: 'ab', keepsAlive: false, endsWithConnection: true },
  ],
  [
    'HTTP/1.0 with chunks',
    'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n',
    { body: 'a', keepsAlive: false },
  ],
  [
    'HEAD of HTTP/1.0, with chunks',
    'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n',
    { keepsAlive: false },
    { method: 'HEAD' },
  ],

  ['Keep-Alive', `${TWO}Keep-Alive: timeout=5, max=100\r\n\r\nab`, { keepAliveTimeout: 5 }],
  [
    'Keep-Alive in another order',
    `${TWO}Keep-Alive: max=7, Timeout = 15\r\n\r\nab`,
    { keepAliveTimeout: 15 },
  ],
  [
    'Keep-Alive in two lines',
    `${TWO}Keep-Alive: max=7\r\nKeep-Alive: timeout=0\r\n\r\nab`,
    { keepAliveTimeout: 0 },
  ],
  [
    'Keep-Alive without a number',
    `${TWO}Keep-Alive: timeout=soon, max=5\r\n\r\nab`,
    { keepAliveTimeout: undefined },
  ],
  ['Keep-Alive without a timeout', `${TWO}Keep-Alive: 5\r\n\r\nab`, { keepAliveTimeout: undefined }],
  ['Keep-Alive with another word', `${TWO}Keep-Alive: xtimeout=5\r\n\r\nab`, { keepAliveTimeout: undefined }],

  ['a head as large as it may be', `${TWO}\r\nab`, { body: 'ab' }, { maxHeadBytes: TWO.length + 2 }],
  [
    'a head one byte larger',
    `${TWO}\r\nab`,
    { end: 'HPE_HEADER_OVERFLOW', status: [] },
    { maxHeadBytes: TWO.length + 1 },
  ],
  ['a status line that is too large', OK, { end: 'HPE_HEADER_OVERFLOW' }, { maxHeadBytes: 10 }],
  [
    'a line without an end',
    `${OK}X: ${'a'.repeat(100)}`,
    { end: 'HPE_HEADER_OVERFLOW' },
    { maxHeadBytes: 64 },
  ],
  ['empty lines without an end', '\r\n'.repeat(20), { end: 'HPE_HEADER_OVERFLOW' }, { maxHeadBytes: 30 }],
  [
    'a fault before the limit',
    `${OK}X y\r\n${'a: b\r\n'.repeat(10)}\r\n`,
    { end: 'HPE_INVALID_HEADER_TOKEN' },
    { maxHeadBytes: 30 },
  ],
  [
    'a fault behind the limit',
    `${OK}${'a: b\r\n'.repeat(10)}X y\r\n\r\n`,
    { end: 'HPE_HEADER_OVERFLOW' },
    { maxHeadBytes: 30 },
  ],
  [
    'trailers as large as they may be',
    `${CHUNKED}0\r\n${'a: b\r\n'.repeat(8)}\r\n`,
    {},
    { maxHeadBytes: 50 },
  ],
  [
    'trailers one byte larger',
    `${CHUNKED}0\r\n${'a: b\r\n'.repeat(8)}\r\n`,
    { end: 'HPE_HEADER_OVERFLOW' },
    { maxHeadBytes: 49 },
  ],
  [
    'several heads that are no larger each',
    `${'HTTP/1.1 103 H\r\n\r\n'.repeat(5)}${TWO}\r\nab`,
    { body: 'ab' },
    { maxHeadBytes: 40 },
  ],
]

for (const [name, text, expected, asked = {}] of cases) {
  test(`${name}, cut anywhere`, () => everyCut(text, asked, expected))
}
