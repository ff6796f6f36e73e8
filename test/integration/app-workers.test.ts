import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, describe, test } from 'node:test'
import { MessageChannel, Worker } from 'node:worker_threads'
import Fastify from 'fastify'
import type { PoolWorkers } from '../../src/index.js'
import leastwise from '../../src/index.js'
import { Channel } from '../../src/threads/channel.js'
import type { AppWorkerData, ToAppWorker } from '../support/app-worker.js'
import { holding } from '../support/backend.js'
import { call } from '../support/client.js'
import { until } from '../support/until.js'

const FILE = new URL('../support/app-worker.js', import.meta.url)

/** For answers that come, or that something else ends. */
const inTime = { timeout: 60_000 }

const TOKEN = 'change-me'

/** Options that all threads have, besides those that say which part a thread has. */
const options = { maxConnections: 3, queueLimit: 0, slowStart: 0 }

describe('an app with worker threads', async () => {
  const [a, b] = await Promise.all([holding(), holding()])
  const app = Fastify()
  await app.register(leastwise, {
    ...options,
    workers: 2,
    backends: [
      { url: a.url, id: 'a' },
      { url: b.url, id: 'b' },
    ],
    admin: { token: TOKEN },
  })
  const { registry, workers: pool } = app.balancer
  assert.ok(pool)
  const threads: Worker[] = []
  after(async () => {
    await Promise.all(threads.map((thread) => thread.terminate()))
    await Promise.all([app.close(), a.close(), b.close()])
  })

  /** Starts a worker, which has an app and a port of its own. */
  async function start() {
    const member = (pool as PoolWorkers).connect()
    const { port1, port2 } = new MessageChannel()
    const workerData: AppWorkerData = { pool: member.handle, options, port: port2 }
    const thread = new Worker(FILE, { workerData, transferList: [...member.transferList, port2] })
    threads.push(thread)
    member.follow(thread)
    const ended = new Promise((resolve) => thread.once('exit', resolve))
    const channel = new Channel<object, ToAppWorker>(port1, {}, { keepsAlive: true, onError: assert.ifError })
    const ask = {
      change: () => channel.ask('change', undefined, inTime),
      inFlight: () => channel.ask('inFlight', undefined, inTime),
      close: () => channel.ask('close', undefined, inTime),
    }
    const fail = () => {
      thread.once('error', () => {})
      channel.tell('fail', undefined)
    }
    return { member, ended, ask, fail, url: await channel.ask('listen', undefined, inTime) }
  }
  const [one, first] = await Promise.all([start(), start()])
  let two = first

  const inFlight = () => registry.list().map((backend) => backend.inFlight)
  const sum = (counts = inFlight()) => counts.reduce((all, count) => all + count, 0)
  const open = () => a.open + b.open
  /** Sends requests to these workers, each after the one before it has reached a backend. */
  async function hold(...workers: { url: string }[]) {
    const answers: ReturnType<typeof call>[] = []
    for (const { url } of workers) {
      const before = open()
      answers.push(call(`${url}/api/held`))
      await until(open, (now) => now === before + 1)
      assert.ok(
        Math.abs(a.open - b.open) <= 1,
        'whichever worker chooses knows what the other one has in flight',
      )
    }
    return answers
  }
  async function release(answers: ReturnType<typeof call>[]) {
    a.release()
    b.release()
    const done = await Promise.all(answers)
    await until(sum, (left) => left === 0)
    for (const { status } of done) assert.equal(status, 200)
    return done
  }

  test('has routes and hooks of its own in each', async () => {
    assert.equal((await call(`${one.url}/own`)).text, 'worker 0')
    const done = await release(await hold(one, two))
    assert.deepEqual(
      done.map(({ headers }) => headers['x-worker']),
      ['0', '1'],
    )
  })

  test('has one count: ties, limits and totals are of all workers', async () => {
    const before = registry.list().map(({ counter }) => counter.total)
    const answers = await hold(one, two, two, one, one, one)
    assert.deepEqual(inFlight(), [3, 3])
    for (const { ask, url } of [one, two]) {
      assert.deepEqual(await ask.inFlight(), [3, 3])
      const { status, text } = await call(`${url}/api/refused`)
      assert.deepEqual([status, JSON.parse(text).code], [503, 'LEASTWISE_QUEUE_FULL'])
    }
    await release(answers)
    assert.deepEqual(
      registry.list().map(({ counter }, i) => counter.total - (before[i] as number)),
      [3, 3],
    )
  })

  test('is changed in the main thread alone', async () => {
    for (const { ask } of [one, two])
      assert.deepEqual(await ask.change(), Array(8).fill('LEASTWISE_CONTROLLED_ELSEWHERE'))
    assert.deepEqual(
      registry.list().map(({ id, state, weight }) => [id, state, weight]),
      [
        ['a', 'active', 1],
        ['b', 'active', 1],
      ],
    )
  })

  test('drains a backend for all workers', async () => {
    const answers = await hold(one, two)
    const drained = once(registry, 'drained')
    const { statusCode } = await app.inject({
      method: 'POST',
      url: '/admin/backends/a/drain',
      headers: { authorization: `Bearer ${TOKEN}` },
    })
    assert.equal(statusCode, 202)
    // The answer came when both workers knew of the drain.
    answers.push(...[one, two].map(({ url }) => call(`${url}/api`)))
    await b.untilOpen(3)
    assert.deepEqual(inFlight(), [1, 3])
    a.release()
    const [backend] = await drained
    assert.deepEqual([backend.id, inFlight()], ['a', [0, 3]])
    await release(answers)
    registry.activate('a')
    await pool.settled()
  })

  test('takes off the requests of a worker that ends, and another one takes its place', async () => {
    assert.throws(() => pool.connect(), { name: 'RangeError', message: 'the pool has at most 2 workers' })
    const kept = await hold(one, one)
    const lost = await hold(two, two)
    two.fail()
    const cut = Promise.all(lost.map((answer) => assert.rejects(answer)))
    await two.ended
    assert.deepEqual(inFlight(), [1, 1])
    await cut
    await until(open, (now) => now === 2)

    const { number } = two.member
    two = await start()
    assert.equal(two.member.number, number)
    assert.deepEqual(await two.ask.inFlight(), [1, 1])
    const more = await hold(two, two)
    assert.deepEqual(inFlight(), [2, 2])
    await release([...kept, ...more])
  })

  test('gives the place of a worker whose app closes to another one, and does not wait for it', async () => {
    const { number } = two.member
    await two.ask.close()
    await until(
      () => pool.list.length,
      (length) => length === 1,
    )
    registry.update('a', { weight: 2 })
    registry.update('a', { weight: 1 })
    await pool.settled()
    two = await start()
    assert.equal(two.member.number, number)
  })

  test('may close first in the main thread: workers go on with true counts', async () => {
    const answers = await hold(one, two)
    await app.close()
    answers.push(...(await hold(two, one, two)))
    for (const { ask } of [one, two]) assert.equal(sum(await ask.inFlight()), 5)
    await release(answers)
    for (const { ask } of [one, two]) assert.deepEqual(await ask.inFlight(), [0, 0])
    assert.throws(() => pool.connect(), { code: 'LEASTWISE_STOPPED' })
    await Promise.all([one, two].map(({ ask }) => ask.close()))
  })
})

describe('options of threads that are wrong stop the start', () => {
  async function register(options: object) {
    const app = Fastify()
    after(() => app.close())
    await app.register(leastwise, options)
    return app
  }
  const control = register({ workers: 3 })
  const connect = async () => (await control).balancer.workers?.connect().handle
  const shared = connect()
  const store = { name: 'x', load: async () => undefined, save: async () => '1' }
  const elsewhere = 'belongs to the thread that controls the pool, not to a worker'
  const wholeNumber = 'it takes a whole number from 0 to 256'
  const refused: [options: object, message: string][] = [
    [{ shared, admin: { token: 'x' } }, `option "admin" ${elsewhere}`],
    [{ shared, store }, `option "store" ${elsewhere}`],
    [{ shared, workers: 1 }, `option "workers" ${elsewhere}`],
    [{ shared: {} }, 'option "shared" takes the handle of a worker: balancer.workers.connect().handle'],
    [{ workers: 257 }, `option "workers" does not accept 257: ${wholeNumber}`],
    [{ workers: 'auto' }, `option "workers" does not accept "auto": ${wholeNumber}`],
  ]
  for (const [options, message] of refused) {
    test(message, async () => {
      const given = { ...options, ...('shared' in options && { shared: await options.shared }) }
      await assert.rejects(register(given), { name: 'SettingError', message: `leastwise: ${message}` })
    })
  }

  const code = 'LEASTWISE_INVALID_OPTION'

  test('a handle is for one worker, and once', async () => {
    const handle = await connect()
    const worker = await register({ shared: handle })
    assert.equal(worker.balancer.workers, undefined)
    await assert.rejects(register({ shared: handle }), { code, message: /takes a handle once/ })
    await worker.close()
    await assert.rejects(register({ shared: handle }), { code, message: /takes a handle once/ })
  })

  test('a handle is of no use once the app of the main thread has closed', async () => {
    const app = await register({ workers: 1 })
    const handle = app.balancer.workers?.connect().handle
    await app.close()
    await assert.rejects(register({ shared: handle }), { code, message: /of a pool that was closed/ })
  })
})
