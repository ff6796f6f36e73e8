import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { requestLogger } from '../../src/gateway/logging/request-logger.js'
import { lineOf, textOf } from '../../src/telemetry/access-line.js'
import type { RequestRecord } from '../../src/telemetry/record.js'
import { INFO_AS_TEXT, type TextLogger } from '../../src/telemetry/text-logger.js'

const record: RequestRecord = {
  remoteAddress: '127.0.0.1',
  clientAddress: '127.0.0.1',
  statusCode: 200,
  outcome: 'ok',
  error: null,
  cause: null,
  aborted: false,
  backend: 'a',
  route: null,
  pool: null,
  policy: 'least-connections',
  inFlight: 1,
  attempts: 1,
  queueTime: 0,
  firstByteTime: 1.25,
  upstreamTime: 1.5004,
  responseTime: 2.0006,
  bytesIn: 0,
  bytesOut: 1024,
}

test("the request's fields are in its lines, and in no others", () => {
  const lines: Record<string, unknown>[] = []
  const parent = pino(
    { base: null, timestamp: false },
    { write: (line: string) => lines.push(JSON.parse(line)) },
  )
  const one = requestLogger(parent, { reqId: 'req-"1"' })
  const two = requestLogger(parent, { reqId: 'req-2', more: 2 })
  one.info({ a: 1 }, 'one')
  two.warn('two')
  one.child({ b: 2 }).error(new Error('broken'))
  parent.info('parent')
  one.debug('not at this level')
  assert.deepEqual(
    lines.map(({ level, reqId, more, a, b, msg }) => [level, reqId, more, a, b, msg]),
    [
      [30, 'req-"1"', undefined, 1, undefined, 'one'],
      [40, 'req-2', 2, undefined, undefined, 'two'],
      [50, 'req-"1"', undefined, undefined, 2, 'broken'],
      [30, undefined, undefined, undefined, undefined, 'parent'],
    ],
  )
})

test('fields as text make the line that the object makes', () => {
  let lines: string[] = []
  const parent = pino({ timestamp: false }, { write: (line: string) => lines.push(line) })
  const log = requestLogger(parent, { reqId: 'r' })
  const none = { statusCode: null, backend: null, inFlight: null, firstByteTime: null, upstreamTime: null }
  const records: RequestRecord[] = [
    record,
    { ...record, ...none, error: 'LEASTWISE_QUEUE_FULL', outcome: 'refused', aborted: true },
    {
      ...record,
      clientAddress: '2001:db8::1',
      backend: 'b"\\\u0001é\ud800',
      cause: { code: 'ECONNRESET', text: 'read "é"' },
    },
    ...[0.0004, 0.0005, 0.999, 0.9996, 12.3, 1e6 / 3, 3e9, -0.5, Number.NaN].map((responseTime) => {
      return { ...record, responseTime }
    }),
  ]
  for (const one of records) {
    for (const [method, path, traceId] of [
      ['GET', '/a', null],
      ['M-SEARCH', '/"\\\n', '4bf92f3577b34da6a3ce929d0e0e4736'],
    ] as const) {
      lines = []
      log.info(lineOf(one, method, path, traceId), 'request')
      ;(log as unknown as TextLogger)[INFO_AS_TEXT](textOf(one, method, path, traceId), 'request')
      log.info('own fields are left')
      assert.equal(lines[1], lines[0])
      assert.match(lines[2] as string, /,"reqId":"r","msg":"own fields are left"}\n$/)
    }
  }
})
