import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { workerLogStream } from '../../../src/gateway/logging/worker-log-stream.js'
import { WorkerLogs } from '../../../src/gateway/logging/worker-logs.js'

/** The logs of workers, and a worker whose thread ends when `end` is called. */
function setUp(room: number) {
  const logs = new WorkerLogs()
  const sink = { written: '', size: room }
  logs.writeTo({
    room: () => sink.size,
    add(lines) {
      sink.written += lines
    },
    flush() {},
  })
  const log = logs.connect()
  const worker = new EventEmitter()
  log.follow(worker)
  return { logs, sink, stream: workerLogStream(log.handle), end: () => worker.emit('exit') }
}
const TOO_LONG = 'x'.repeat(10_000_000)

test('the lines of a worker that ends are written at once, and its memory is let go', () => {
  const { logs, sink, stream, end } = setUp(100)
  stream.write('a\n')
  stream.write(TOO_LONG)
  assert.equal(logs.dropped(), 1)
  end()
  assert.equal(sink.written, 'a\n')
  assert.equal(logs.dropped(), 1)
  stream.write('nobody reads this\n')
  stream.write(TOO_LONG)
  logs.addAll()
  assert.equal(sink.written, 'a\n')
  assert.equal(logs.dropped(), 1)
})

test('lines for which there is no room yet are kept, also those of a worker that has ended', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { logs, sink, stream, end } = setUp(3)
  stream.write('abc\n')
  end()
  t.mock.timers.tick(20)
  assert.equal(sink.written, '')
  sink.size = 4
  t.mock.timers.tick(20)
  assert.equal(sink.written, 'abc\n')
  stream.write('nobody reads this\n')
  logs.addAll()
  assert.equal(sink.written, 'abc\n')
})

test('at the end all lines are written, whatever the room', () => {
  const { logs, sink, stream } = setUp(0)
  stream.write('abc\n')
  logs.addAll()
  assert.equal(sink.written, 'abc\n')
})
