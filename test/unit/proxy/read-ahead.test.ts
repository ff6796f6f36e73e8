import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { GrowingBuffer } from '../../../src/proxy/downstream/body/growing-buffer.js'
import { readAhead } from '../../../src/proxy/downstream/body/read-ahead.js'
import { HttpDownstream } from '../../../src/proxy/downstream/downstream.js'
import type { RouteTarget } from '../../../src/proxy/route-target.js'
import { received } from '../../support/received.js'

/** A request on a server without anything of ours, whose body is read ahead. */
async function arriving(
  t: TestContext,
  text: string,
  requestBuffer = 1000,
): Promise<{ raw: IncomingMessage; client: Socket; done: Promise<Error | null>; isDone(): boolean }> {
  const { client, request: raw, response } = await received(t, text)
  const request = { raw, headers: raw.headers } as FastifyRequest
  const downstream = new HttpDownstream(
    request,
    { raw: response, sent: false } as FastifyReply,
    {} as RouteTarget,
    0,
    {
      via: undefined,
      paths: undefined,
    },
  )
  let isDone = false
  const done = new Promise<Error | null>((resolve) => {
    readAhead(downstream, { requestBuffer, maxBody: 0 }, (error) => {
      isDone = true
      resolve(error)
    })
  })
  return { raw, client, done, isDone: () => isDone }
}

const head = (framing: string) => `POST / HTTP/1.1\r\nhost: a\r\n${framing}\r\n\r\n`
const chunked = head('transfer-encoding: chunked')

/** All that can be seen of a stream from which nobody has read. */
const untouched = ({ readableDidRead, readableFlowing, readableEnded, destroyed }: IncomingMessage) => [
  readableDidRead,
  readableFlowing,
  readableEnded,
  destroyed,
]

for (const [what, first, rest, body, trailers] of [
  ['that comes with its head', `${head('content-length: 4')}body`, '', 'body', []],
  ['in two parts', `${head('content-length: 4')}bo`, 'dy', 'body', []],
  ['of just as many bytes', `${head('content-length: 1000')}b`, 'x'.repeat(999), `b${'x'.repeat(999)}`, []],
  ['in chunks', `${chunked}2\r\nbo\r\n`, '2\r\ndy\r\n0\r\n\r\n', 'body', []],
  ['in chunks, with trailers', `${chunked}4\r\nbody\r\n0\r\n`, 'a: b\r\n\r\n', 'body', ['a', 'b']],
  ['without a byte', `${chunked}0\r\n\r\n`, '', '', []],
  ['without a byte, whose end comes late', chunked, '0\r\na: b\r\n\r\n', '', ['a', 'b']],
] as const) {
  test(`a body ${what}: it is complete then, and as if nobody had read`, async (t) => {
    const { raw, client, done, isDone } = await arriving(t, first)
    if (rest) {
      for (let i = 0; i < 3; i++) await setImmediate()
      assert.equal(isDone(), false)
      client.write(rest)
    }
    assert.equal(await done, null)
    assert.equal(raw.complete, true)
    assert.deepEqual(untouched(raw), [false, null, false, false])
    assert.equal(raw.readableLength, body.length)
    for (const event of ['readable', 'data', 'end']) assert.equal(raw.listenerCount(event), 0, event)
    assert.equal(String(await buffer(raw)), body)
    assert.deepEqual(raw.rawTrailers, trailers)
    assert.equal(raw.readableDidRead, body !== '')
  })
}

test('more than the stream itself holds is read ahead and put back', async (t) => {
  const body = Buffer.alloc(1_000_000, 'abcdefg')
  const { raw, client, done } = await arriving(t, head('content-length: 1000000'), 1_000_000)
  client.write(body)
  assert.equal(await done, null)
  assert.deepEqual([raw.complete, raw.readableLength], [true, body.length])
  assert.deepEqual(untouched(raw), [false, null, false, false])
  assert.ok((await buffer(raw)).equals(body))
})

test('of a larger body as much is read as is asked for', async (t) => {
  const { raw, client, done } = await arriving(t, head('content-length: 5000'), 1000)
  client.write('x'.repeat(1000))
  assert.equal(await done, null)
  assert.deepEqual([raw.complete, raw.readableLength], [false, 1000])
  assert.deepEqual(untouched(raw), [false, null, false, false])
  client.write('y'.repeat(4000))
  assert.equal(String(await buffer(raw)), 'x'.repeat(1000) + 'y'.repeat(4000))
})

test('a part that is read afterwards can be seen', async (t) => {
  const { raw, done } = await arriving(t, `${head('content-length: 4')}body`)
  await done
  raw.read(1)
  assert.equal(raw.readableDidRead, true)
})

test('memory grows with what has come, not with the number of chunks', () => {
  const bytes = new GrowingBuffer(100_000)
  for (let i = 0; i < 9000; i++) bytes.append(Buffer.from([i % 256]))
  assert.equal(bytes.length, 9000)
  const all = bytes.take()
  assert.ok(all.equals(Buffer.from(Array.from({ length: 9000 }, (_, i) => i % 256))))
  assert.ok(all.buffer.byteLength <= 2 * 9000, String(all.buffer.byteLength))
  const small = new GrowingBuffer(10)
  small.append(Buffer.from('a'))
  assert.equal(small.take().buffer.byteLength, 10)
})
