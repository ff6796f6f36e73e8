import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { type TestContext, test } from 'node:test'
import { Feed } from '../../../../src/admin/event-feed/feed.js'
import { Balancer, type PoolWorkers, type WorkerChange } from '../../../../src/balancer/index.js'
import { TestClock } from '../../../support/clock.js'

const BACKEND = 'http://a:1'

function play(t: TestContext) {
  const clock = new TestClock()
  const control = new Balancer({ clock, workers: 2, backends: [BACKEND] })
  const pool = control.workers as PoolWorkers
  const changes: WorkerChange[] = []
  pool.on('change', (change) => changes.push(change))
  t.after(() => control.close())
  /** Its event loop turns by a clock of its own. */
  const join = async () => {
    const worker = pool.connect()
    const own = new TestClock()
    const member = new Balancer({ clock: own, shared: worker.handle })
    t.after(() => member.close())
    while (!worker.takesPart) await new Promise(setImmediate)
    return { worker, member, turn: (milliseconds: number) => own.pass(milliseconds) }
  }
  return { clock, control, pool, changes, join }
}

test('what happens to a worker is an event of the feed, with the reason and the requests that were cut', async (t) => {
  const { control, changes, join } = play(t)
  const feed = new Feed(control)
  t.after(() => feed.close())
  const { worker, member } = await join()
  const thread = new EventEmitter()
  worker.follow(thread)
  member.acquire()
  thread.emit('exit', 7)
  // A worker ends once.
  worker.close('again')
  const reason = 'its thread ended with exit code 7'
  const expected = [
    { number: 0, state: 'started', reason: null, cut: 0 },
    { number: 0, state: 'ended', reason, cut: 1 },
  ]
  assert.deepEqual(changes, expected)
  assert.equal(control.registry.inFlight, 0)
  const stream = feed.open(0)
  const text = String(stream.read())
  const sent = [...text.matchAll(/^data: (.*"type":"worker".*)$/gm)].map(([, data]) =>
    JSON.parse(data as string),
  )
  assert.deepEqual(
    sent.map((change) => [change.backend, change.worker]),
    expected.map((change) => [null, change]),
  )
})

test('a worker that does not turn for 5 seconds is silent, once; one that turns is not', async (t) => {
  const { clock, pool, changes, join } = play(t)
  const [stuck, well] = [await join(), await join()]
  const silent: number[] = []
  pool.on('silent', ({ number }) => silent.push(number))
  for (let passed = 0; passed < 20_000; passed += 500) {
    if (passed < 1000) stuck.turn(500)
    well.turn(500)
    clock.pass(500)
    if (passed < 5000) assert.deepEqual(silent, [], `${passed}`)
  }
  assert.deepEqual(silent, [stuck.worker.number])
  assert.deepEqual(changes.slice(2), [{ number: 0, state: 'silent', reason: null, cut: 0 }])
})

test('a control plane that was busy for longer takes no worker for silent that turned meanwhile', async (t) => {
  const { clock, pool, join } = play(t)
  const { turn } = await join()
  const silent: number[] = []
  pool.on('silent', ({ number }) => silent.push(number))
  for (let i = 0; i < 3; i++) {
    turn(6000)
    // All timers of these six seconds are late, and the next look comes after them.
    clock.late(6000)
  }
  assert.deepEqual(silent, [])
})
