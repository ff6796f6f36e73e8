import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { requestLogger } from '../../src/gateway/logging/request-logger.js'

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
