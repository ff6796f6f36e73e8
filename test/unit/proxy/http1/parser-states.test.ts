import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Headers } from '../../../../src/proxy/http/fields.js'
import { diagnose } from '../../../../src/proxy/upstream/failures/diagnosis.js'
import { MAX_CHUNK_LINE_BYTES } from '../../../../src/proxy/upstream/transport/http1/chunked-body.js'
import { MAX_FIELDS } from '../../../../src/proxy/upstream/transport/http1/field-lines.js'
import { PartialLine } from '../../../../src/proxy/upstream/transport/http1/partial-line.js'
import {
  MAX_INFORMATIONAL,
  type ResponseHandler,
  ResponseParser,
} from '../../../../src/proxy/upstream/transport/http1/response-parser.js'
import { byteByByte, play } from '../../../support/played-response.js'

const OK = 'HTTP/1.1 200 OK\r\n'
const TWO = `${OK}Content-Length: 2\r\n\r\nab`
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`
const SWITCH = 'HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'

const bytesOf = (text: string) => Buffer.from(text, 'latin1')

/** Returns a parser whose handler notes what it is called for, and calls `during` with each. */
function noting(during: (what: string, parser: ResponseParser) => void = () => {}) {
  const notes: string[] = []
  const note = (what: string) => {
    notes.push(what)
    during(what, parser)
  }
  const handler: ResponseHandler = {
    onHead: (statusCode) => note(`head ${statusCode}`),
    onBody: (bytes) => note(`body ${bytes.toString('latin1')}`),
    onEnd: () => note('end'),
    onSwitch: () => note('switch'),
  }
  const parser: ResponseParser = new ResponseParser(handler, 200_000)
  return { parser, notes }
}

test('responses follow each other on one connection, and nothing is left of the one before', () => {
  const { parser, notes } = noting()
  assert.deepEqual([parser.isReading, parser.hasBegun], [false, false])
  for (const [method, text, said, keepsAlive, timeout] of [
    [
      'GET',
      `${OK}Keep-Alive: timeout=9\r\nContent-Length: 2\r\n\r\nab`,
      ['head 200', 'body ab', 'end'],
      true,
      9,
    ],
    ['HEAD', `${OK}Content-Length: 2\r\n\r\n`, ['head 200', 'end'], true, undefined],
    ['GET', `${CHUNKED}1\r\na\r\n0\r\nX: y\r\n\r\n`, ['head 200', 'body a', 'end'], true, undefined],
    ['GET', `${OK}Connection: close\r\nContent-Length: 0\r\n\r\n`, ['head 200', 'end'], false, undefined],
    ['GET', TWO, ['head 200', 'body ab', 'end'], true, undefined],
  ] as const) {
    parser.begin(method, false)
    assert.deepEqual([parser.isReading, parser.hasBegun, parser.keepsAlive], [true, false, false])
    assert.equal(parser.execute(bytesOf(text)), text.length)
    assert.deepEqual(notes.splice(0), said)
    assert.deepEqual(
      [parser.isReading, parser.hasBegun, parser.keepsAlive, parser.keepAliveTimeout],
      [false, true, keepsAlive, timeout],
    )
    assert.equal(parser.finish(), true)
  }
  assert.equal(parser.execute(bytesOf(TWO)), 0)
  assert.deepEqual(notes, [])
})

test('a body is a view of the bytes that were given', () => {
  const seen: Buffer[] = []
  const handler = { onHead() {}, onBody: (bytes: Buffer) => seen.push(bytes), onEnd() {}, onSwitch() {} }
  const parser = new ResponseParser(handler, 1000)
  for (const text of [TWO, `${CHUNKED}2\r\nab\r\n0\r\n\r\n`, `${OK}\r\nab`]) {
    parser.begin('GET', false)
    const bytes = bytesOf(text)
    parser.execute(bytes)
    const view = seen.pop() as Buffer
    assert.equal(view.toString(), 'ab')
    assert.equal(view.buffer, bytes.buffer)
    assert.equal(seen.length, 0)
  }
})

test('stop() in a handler ends the reading at once', () => {
  const text = `HTTP/1.1 103 H\r\n\r\n${CHUNKED}1\r\na\r\n1\r\nb\r\n0\r\n\r\n`
  const all = ['head 103', 'head 200', 'body a', 'body b', 'end']
  for (const [i, last] of all.entries()) {
    const { parser, notes } = noting((what, one) => what === last && one.stop())
    parser.begin('GET', false)
    const read = parser.execute(bytesOf(text))
    assert.deepEqual(notes, all.slice(0, i + 1))
    assert.equal(read < text.length, last !== 'end')
    assert.deepEqual([parser.isReading, parser.hasBegun, parser.keepsAlive], [false, false, false])
    assert.equal(parser.execute(bytesOf(text)), 0)
  }
  for (const [text, last] of [
    [TWO, 'body ab'],
    [`${OK}Content-Length: 0\r\n\r\n`, 'head 200'],
    [`${OK}\r\nab`, 'body ab'],
  ] as const) {
    const { parser, notes } = noting((what, one) => what === last && one.stop())
    parser.begin('GET', false)
    parser.execute(bytesOf(text))
    assert.equal(parser.finish(), true)
    assert.equal(notes.at(-1), last)
  }
})

test('begin() in a handler does not let the next response have the bytes of this one', () => {
  const begun = (what: string, parser: ResponseParser) => {
    if (what === 'end') parser.begin('GET', false)
  }
  for (const text of [TWO, `${CHUNKED}0\r\n\r\n`, `${OK}Content-Length: 0\r\n\r\n`]) {
    const { parser, notes } = noting(begun)
    parser.begin('GET', false)
    assert.equal(parser.execute(bytesOf(text + TWO)), text.length)
    assert.equal(notes.at(-1), 'end')
    assert.deepEqual([parser.isReading, parser.hasBegun], [true, false])
    assert.equal(parser.execute(bytesOf(TWO)), TWO.length)
    assert.deepEqual(notes.slice(-3), ['head 200', 'body ab', 'end'])
  }
  const { parser, notes } = noting((what, one) => what === 'head 200' && one.begin('HEAD', false))
  parser.begin('GET', false)
  assert.equal(parser.execute(bytesOf(TWO)), TWO.length - 2)
  assert.deepEqual([notes, parser.isReading, parser.hasBegun], [['head 200'], true, false])
})

test('half a head is forgotten with its request', () => {
  const { parser, notes } = noting()
  for (const half of ['HTT', `${OK}X: y`, `${OK}Connection: close\r\n`, `${CHUNKED}0\r\nX: `]) {
    parser.begin('GET', false)
    parser.execute(bytesOf(half))
    parser.begin('GET', false)
    notes.length = 0
    parser.execute(bytesOf(TWO))
    assert.deepEqual([notes, parser.keepsAlive], [['head 200', 'body ab', 'end'], true])
  }
})

test('the size of a chunk is forgotten with its request', () => {
  const { parser, notes } = noting()
  for (const half of [`${CHUNKED}1`, `${CHUNKED}1;x`, `${CHUNKED}5\r\nab`, `${CHUNKED}1\r\na`]) {
    parser.begin('GET', false)
    parser.execute(bytesOf(half))
    parser.begin('GET', false)
    notes.length = 0
    parser.execute(bytesOf(`${CHUNKED}1\r\na\r\n0\r\n\r\n`))
    assert.deepEqual(notes, ['head 200', 'body a', 'end'])
  }
})

test('after a fault nothing more is read', () => {
  const { parser, notes } = noting()
  parser.begin('GET', false)
  assert.throws(() => parser.execute(bytesOf('HTTP/1.1 200 OK\n\n')), { code: 'HPE_CR_EXPECTED' })
  assert.deepEqual([parser.isReading, parser.hasBegun], [false, true])
  assert.equal(parser.execute(bytesOf(TWO)), 0)
  assert.deepEqual(notes, [])
})

test('after an error of the handler nothing more is read', () => {
  for (const at of ['head 200', 'body a']) {
    const { parser, notes } = noting((what) => {
      if (what === at) throw new Error('thrown')
    })
    parser.begin('GET', false)
    assert.throws(() => parser.execute(bytesOf(`${OK}Content-Length: 2\r\n\r\na`)), { message: 'thrown' })
    assert.equal(parser.isReading, false)
    assert.equal(parser.execute(bytesOf('b')), 0)
    assert.equal(notes.at(-1), at)
  }
})

test('the end of the connection completes only a body that has no other end', () => {
  for (const [text, isComplete, said] of [
    ['', false, []],
    [OK, false, []],
    [`${OK}\r\n`, true, ['head 200', 'end']],
    [`${OK}\r\nab`, true, ['head 200', 'body ab', 'end']],
    [TWO.slice(0, -1), false, ['head 200', 'body a']],
    [`${CHUNKED}1\r\na\r\n`, false, ['head 200', 'body a']],
    [`${CHUNKED}0\r\n`, false, ['head 200']],
  ] as const) {
    const { parser, notes } = noting()
    parser.begin('GET', false)
    parser.execute(bytesOf(text))
    assert.equal(parser.finish(), isComplete, text)
    assert.deepEqual(notes, said)
    assert.equal(parser.isReading, false)
    assert.equal(parser.finish(), true)
    assert.deepEqual(notes, said)
  }
})

test('bytes behind a switch are left', () => {
  const { parser, notes } = noting()
  parser.begin('GET', true)
  assert.equal(parser.execute(bytesOf(`${SWITCH}${TWO}`)), SWITCH.length)
  assert.deepEqual([notes, parser.isReading], [['switch'], false])
})

test('a field that came in several lines is a list in their order', () => {
  const lines = ['X: 1', 'x: 2', 'Y: one', 'X:', 'X: 1, 3'].join('\r\n')
  const headers = play([bytesOf(`${OK}${lines}\r\n\r\n`)]).heads[0]?.[2] as Headers
  assert.deepEqual({ ...headers }, { x: ['1', '2', '', '1, 3'], y: 'one' })
})

test('fields of any name, which inherit nothing', () => {
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf']
  const [, , headers] = play([
    bytesOf(`${OK}${names.map((name) => `${name}: a\r\n${name}: b\r\n`).join('')}\r\n`),
  ]).heads[0] as [number, string, Headers]
  assert.deepEqual(
    Object.keys(headers),
    names.map((name) => name.toLowerCase()),
  )
  for (const value of Object.values(headers)) assert.deepEqual(value, ['a', 'b'])
  const none = play([bytesOf(`${OK}\r\n`)]).heads[0]?.[2] as Headers
  for (const name of names) assert.equal(none[name], undefined)
  assert.equal('constructor' in none, false)
})

test('as many fields as the limit says, and not one more', () => {
  const fields = (count: number) => bytesOf(`${OK}${'a: b\r\n'.repeat(count)}\r\n`)
  const asked = { maxHeadBytes: 1_000_000 }
  assert.equal(play([fields(MAX_FIELDS)], asked).heads[0]?.[2].a?.length, MAX_FIELDS)
  assert.equal(play([fields(MAX_FIELDS + 1)], asked).end, 'HPE_TOO_MANY_FIELDS')
  const late = Buffer.concat([fields(MAX_FIELDS).subarray(0, -2), bytesOf('a: b\r\nbad\r\n\r\n')])
  assert.equal(play([late], asked).end, 'HPE_TOO_MANY_FIELDS')
  assert.equal(play(byteByByte(late), asked).end, 'HPE_TOO_MANY_FIELDS')
})

test('extensions of a chunk are bounded, and leading zeros with them', () => {
  for (const line of [`1;${'x'.repeat(MAX_CHUNK_LINE_BYTES - 1)}`, `${'0'.repeat(MAX_CHUNK_LINE_BYTES)}1`]) {
    for (const pieces of [(bytes: Buffer) => [bytes], byteByByte]) {
      const played = play(pieces(bytesOf(`${CHUNKED}1;y\r\na\r\n${line}\r\na\r\n0\r\n\r\n`)))
      assert.deepEqual([played.body, played.end], ['a', 'HPE_CHUNK_EXTENSIONS_OVERFLOW'])
    }
  }
})

test('a line that comes byte by byte is copied only a few times', () => {
  const line = new PartialLine()
  const memories = new Set<Buffer>()
  let copied = 0
  for (const byte of byteByByte(Buffer.alloc(60_000, 'x'))) {
    line.append(byte, 0, 1)
    if (!memories.has(line.bytes)) copied += line.length
    memories.add(line.bytes)
  }
  assert.equal(line.bytes.toString('latin1', 0, line.length), 'x'.repeat(60_000))
  assert.ok(copied < 2 * line.length, `${copied}`)
})

test('what came instead of HTTP is shown, and told apart', () => {
  for (const [text, message, shown] of [
    ['SSH-2.0-OpenSSH_9.6\r\n', /answer is not HTTP$/, 'and not "SSH-2.0-OpenSSH_9.6\\x0d\\x0a"'],
    ['\x15\x03\x01\x00\x02\x02\x46', /speaks TLS, and its URL says http$/, 'and not "\\x15\\x03'],
    ['\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0d', /speaks HTTP\/2/, 'and not "\\x00'],
    [`no${'x'.repeat(100)}`, /is not HTTP$/, `and not "no${'x'.repeat(38)}"`],
  ] as const) {
    const { parser } = noting()
    parser.begin('GET', false)
    const bytes = bytesOf(text)
    assert.throws(
      () => parser.execute(bytes),
      (error: Error) => {
        // The memory may be used for other bytes then.
        bytes.fill(0)
        const said = diagnose(error)
        assert.equal(said.code, 'HPE_INVALID_CONSTANT')
        assert.match(said.message, message)
        assert.ok(said.text.includes(shown), said.text)
        return true
      },
    )
  }
})

test('each fault has a message of its own', () => {
  for (const [text, code, message] of [
    ['HTTP/2.0 200 OK\r\n\r\n', 'BAD_ANSWER', 'is not HTTP: version 2.0 is not spoken'],
    [SWITCH, 'BAD_ANSWER', 'is not HTTP: a switch that nobody asked for'],
    [`${OK} X: y\r\n\r\n`, 'HPE_UNEXPECTED_SPACE', 'is malformed: its first field begins with a space'],
    [
      `${OK}Content-Length: x\r\n\r\n`,
      'HPE_INVALID_CONTENT_LENGTH',
      'is malformed: its Content-Length is no number',
    ],
    [
      `${CHUNKED}1;\0\r\n`,
      'HPE_STRICT',
      'is malformed: an extension of a chunk has a character that it must not have',
    ],
    [
      `${CHUNKED}1;${'x'.repeat(20_000)}`,
      'HPE_CHUNK_EXTENSIONS_OVERFLOW',
      'is malformed: the extensions of a chunk are too long',
    ],
    [`${OK}X: ${'x'.repeat(200_000)}`, 'HEAD_TOO_LARGE', 'is larger than MAX_RESPONSE_HEADERS allows'],
    [`${OK}${'a: b\r\n'.repeat(MAX_FIELDS + 1)}`, 'HEAD_TOO_LARGE', 'has too many fields'],
  ] as const) {
    const { parser } = noting()
    parser.begin('GET', false)
    assert.throws(
      () => parser.execute(bytesOf(text)),
      (error: Error) => {
        const said = diagnose(error)
        assert.equal(said.code, code)
        assert.ok(said.message.endsWith(message), said.message)
        return true
      },
    )
  }
})

test('informational responses without an end are a fault, and are counted anew for each request', () => {
  const hints = bytesOf('HTTP/1.1 103 H\r\n\r\n'.repeat(MAX_INFORMATIONAL))
  const { parser, notes } = noting()
  for (let request = 0; request < 2; request++) {
    parser.begin('GET', false)
    parser.execute(hints)
    parser.execute(bytesOf(TWO))
    assert.equal(notes.splice(0).length, MAX_INFORMATIONAL + 3)
  }
  parser.begin('GET', false)
  parser.execute(hints)
  assert.throws(() => parser.execute(bytesOf('HTTP/1.1 103 H\r\n\r\n')), {
    code: 'BAD_ANSWER',
    message: /^too many informational responses/,
  })
  assert.equal(notes.length, MAX_INFORMATIONAL)
})
