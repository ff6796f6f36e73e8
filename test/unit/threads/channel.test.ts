import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, type TestContext, test } from 'node:test'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { Channel, type ChannelOptions, type Handlers, type Messages } from '../../../src/threads/channel.js'
import { AnswerError, AnswerTimeoutError, ChannelClosedError } from '../../../src/threads/errors.js'
import type { ToStarter, ToWorker } from '../../support/channel-worker.js'
import { TestClock } from '../../support/clock.js'
import { until } from '../../support/until.js'

/** For answers that come, or that something else ends. */
const LONG_MS = 60_000
const inTime = { timeout: LONG_MS }

/** For ends where nothing may go wrong unless somebody waits for its answer. */
const strict: ChannelOptions = {
  onError(error) {
    throw error
  },
}

/** Notes what goes wrong where nobody waits for an answer. */
function noting(): { options: ChannelOptions; noted: [code: unknown, name: string | undefined][] } {
  const noted: [unknown, string | undefined][] = []
  const onError = (error: NodeJS.ErrnoException, name: string | undefined) =>
    void noted.push([error.code ?? error.message, name])
  return { options: { onError }, noted }
}

/** A channel to an end with these handlers, in the same thread. */
function channelTo<M extends Messages<M>>(
  t: TestContext,
  handlers: Handlers<M>,
  far = strict,
): { near: Channel<object, M>; far: Channel<M, object> } {
  const { port1, port2 } = new MessageChannel()
  const ends = {
    near: new Channel<object, M>(port1, {}, { ...strict, keepsAlive: true }),
    far: new Channel<M, object>(port2, handlers, far),
  }
  t.after(() => ends.near.close())
  return ends
}

/** A channel to a port where nothing answers but the test. */
function channelToPort<M extends Messages<M>>(
  t: TestContext,
  options: Partial<ChannelOptions> = {},
): { channel: Channel<object, M>; port: MessagePort } {
  const { port1, port2 } = new MessageChannel()
  const channel = new Channel<object, M>(port1, {}, { ...strict, keepsAlive: true, ...options })
  t.after(() => channel.close())
  return { channel, port: port2 }
}

describe('what is asked is answered', () => {
  test('at once or later', async (t) => {
    interface Sums {
      now(number: number): number
      later(number: number): number
      nothing(): void
    }
    const { near } = channelTo<Sums>(t, {
      now: (number) => number + 1,
      later: (number) => new Promise((resolve) => setImmediate(() => resolve(number + 2))),
      nothing() {},
    })
    const answers = [
      await near.ask('now', 1, inTime),
      await near.ask('later', 1, inTime),
      await near.ask('nothing', undefined, inTime),
    ]
    assert.deepEqual(answers, [2, 3, undefined])
  })

  test('each with its own answer, whichever comes first', async (t) => {
    const waiting: (() => void)[] = []
    const { near } = channelTo<{ echo(text: string): string }>(t, {
      echo: (text) =>
        new Promise((resolve) => {
          waiting.unshift(() => resolve(text))
          if (waiting.length === 3) for (const answer of waiting) answer()
        }),
    })
    const asked = ['a', 'b', 'c'].map((text) => near.ask('echo', text, inTime))
    assert.deepEqual(await Promise.all(asked), ['a', 'b', 'c'])
  })

  test('in both directions over one port', async (t) => {
    interface Left {
      left(): string
    }
    interface Right {
      right(): string
    }
    const { port1, port2 } = new MessageChannel()
    const left = new Channel<Left, Right>(port1, { left: () => 'L' }, { ...strict, keepsAlive: true })
    const right: Channel<Right, Left> = new Channel<Right, Left>(
      port2,
      { right: async () => `${await right.ask('left', undefined, inTime)}R` },
      strict,
    )
    t.after(() => left.close())
    assert.equal(await left.ask('right', undefined, inTime), 'LR')
  })
})

describe('an error crosses', () => {
  interface Failing {
    fail(how: 'throw' | 'reject' | 'text' | 'uncopied'): unknown
    after(): string
  }
  const failing: Handlers<Failing> = {
    fail(how) {
      const error = Object.assign(new RangeError('too far'), { code: 'TOO_FAR' })
      if (how === 'throw') throw error
      if (how === 'reject') return Promise.reject(error)
      if (how === 'text') throw 'only text'
      return () => 'functions cannot be copied'
    },
    after: () => 'still here',
  }

  for (const how of ['throw', 'reject'] as const) {
    test(`with name, message, code and stack: ${how}`, async (t) => {
      const { near } = channelTo(t, failing)
      await assert.rejects(near.ask('fail', how, inTime), (error) => {
        assert.ok(error instanceof AnswerError)
        assert.deepEqual([error.name, error.message, error.code], ['RangeError', 'too far', 'TOO_FAR'])
        assert.match(error.stack as string, /^RangeError: too far\n.*fail/)
        return true
      })
      assert.equal(await near.ask('after', undefined, inTime), 'still here')
    })
  }

  test('also where something else than an error was thrown', async (t) => {
    const { near } = channelTo(t, failing)
    await assert.rejects(near.ask('fail', 'text', inTime), { name: 'Error', message: 'only text' })
  })

  test('also where the answer cannot be copied', async (t) => {
    const { near } = channelTo(t, failing)
    await assert.rejects(near.ask('fail', 'uncopied', inTime), { name: 'DataCloneError' })
    assert.equal(await near.ask('after', undefined, inTime), 'still here')
  })

  for (const name of ['nobody', 'toString', '__proto__']) {
    test(`also where nobody handles the message: ${name}`, async (t) => {
      const { near } = channelTo<object>(t, {})
      const untyped = near as unknown as Channel<object, Record<string, () => void>>
      await assert.rejects(untyped.ask(name, undefined, inTime), {
        name: 'UnknownMessageError',
        code: 'CHANNEL_UNKNOWN_MESSAGE',
        message: `there is no handler for "${name}"`,
      })
    })
  }

  test('but to nobody from a message that was told: the thread that handled it notes it', async (t) => {
    const { options, noted } = noting()
    const { near } = channelTo(t, failing, options)
    near.tell('fail', 'throw')
    near.tell('fail', 'reject')
    near.tell('fail', 'text')
    ;(near as unknown as Channel<object, { nobody(): void }>).tell('nobody', undefined)
    assert.equal(await near.ask('after', undefined, inTime), 'still here')
    assert.deepEqual(noted.sort(), [
      ['CHANNEL_UNKNOWN_MESSAGE', 'nobody'],
      ['TOO_FAR', 'fail'],
      ['TOO_FAR', 'fail'],
      ['only text', 'fail'],
    ])
  })
})

describe('what is sent', () => {
  interface Seen {
    number(value: number): void
    seen(): number[]
    bytes(buffer: ArrayBuffer): number
    any(value: unknown): unknown
  }
  const seeing = (): Handlers<Seen> => {
    const numbers: number[] = []
    return {
      number: (value) => void numbers.push(value),
      seen: () => numbers,
      bytes: (buffer) => buffer.byteLength,
      any: (value) => value,
    }
  }

  test('comes in order: 1,000 messages, of which every tenth is asked', async (t) => {
    const { near } = channelTo(t, seeing())
    const answers: Promise<void>[] = []
    for (let i = 0; i < 1000; i++) {
      if (i % 10 === 0) answers.push(near.ask('number', i, inTime))
      else near.tell('number', i)
    }
    const all = near.ask('seen', undefined, inTime)
    await Promise.all(answers)
    assert.deepEqual(
      await all,
      Array.from({ length: 1000 }, (_, i) => i),
    )
  })

  test('is copied, unless it is handed over', async (t) => {
    const { near } = channelTo(t, seeing())
    const buffer = new ArrayBuffer(64)
    assert.equal(await near.ask('bytes', buffer, inTime), 64)
    assert.equal(buffer.byteLength, 64)
    assert.equal(await near.ask('bytes', buffer, { ...inTime, transfer: [buffer] }), 64)
    assert.equal(buffer.byteLength, 0)
    const told = new ArrayBuffer(64)
    near.tell('bytes', told, [told])
    assert.equal(told.byteLength, 0)
  })

  test('may be anything that can be copied', async (t) => {
    const { near } = channelTo(t, seeing())
    const value = { map: new Map([['a', new Set([1n])]]), date: new Date(0), bytes: new Uint8Array([1, 2]) }
    assert.deepEqual(await near.ask('any', value, inTime), value)
  })

  test('is refused at once where it cannot be copied', async (t) => {
    const { near } = channelTo(t, seeing())
    await assert.rejects(
      near.ask('any', () => {}, inTime),
      { name: 'DataCloneError' },
    )
    assert.throws(() => near.tell('any', () => {}), { name: 'DataCloneError' })
    assert.equal(await near.ask('any', 'next', inTime), 'next')
  })

  test('has to be what the other side takes, or it does not compile', (t) => {
    const { near } = channelTo(t, seeing())
    const wrong = [
      // @ts-expect-error: there is no such message.
      () => near.tell('numbers', 1),
      // @ts-expect-error: its payload is a number.
      () => near.tell('number', '1'),
      // @ts-expect-error: its payload is a number.
      () => near.ask('number', undefined, inTime),
      // @ts-expect-error: it has no payload.
      () => near.ask('seen', 1, inTime),
      // @ts-expect-error: an answer is waited for until a time.
      () => near.ask('seen', undefined, {}),
      // @ts-expect-error: its answer is a list of numbers.
      async (): Promise<string> => near.ask('seen', undefined, inTime),
      // @ts-expect-error: a handler is missing.
      () => channelTo<Seen>(t, { number() {}, seen: () => [], bytes: () => 1 }),
      // @ts-expect-error: the answer is a number.
      () => channelTo<Seen>(t, { ...seeing(), bytes: () => '1' }),
    ]
    assert.equal(wrong.length, 8)
  })
})

describe('an answer that does not come', () => {
  interface Slow {
    slow(): string
  }

  test('is waited for until its timeout, and dropped when it comes later', async (t) => {
    const clock = new TestClock()
    const { channel, port } = channelToPort<Slow>(t, { after: clock.after.bind(clock) })
    const first = channel.ask('slow', undefined, { timeout: 100 })
    const second = channel.ask('slow', undefined, { timeout: 200 })
    const [{ id }] = await once(port, 'message')
    clock.pass(99)
    assert.equal(clock.pending, 2)
    clock.pass(1)
    await assert.rejects(first, (error) => {
      assert.ok(error instanceof AnswerTimeoutError)
      assert.equal(error.code, 'CHANNEL_TIMEOUT')
      assert.equal(error.message, '"slow" got no answer within 100 ms')
      return true
    })
    port.postMessage({ kind: 'answer', id, answer: 'late' })
    port.postMessage({ kind: 'answer', id: id + 1, answer: 'in time' })
    assert.equal(await second, 'in time')
    assert.equal(clock.pending, 0)
  })

  test('is waited for by the clock of the system where there is no other', async (t) => {
    const { channel } = channelToPort<Slow>(t)
    await assert.rejects(channel.ask('slow', undefined, { timeout: 1 }), AnswerTimeoutError)
  })

  for (const who of ['this', 'the other'] as const) {
    test(`is not waited for once ${who} side has closed the channel`, async (t) => {
      const clock = new TestClock()
      const { channel, port } = channelToPort<Slow>(t, { after: clock.after.bind(clock) })
      const asked = [1, 2].map(() => channel.ask('slow', undefined, inTime))
      const refused = asked.map((one) =>
        assert.rejects(one, (error) => {
          assert.ok(error instanceof ChannelClosedError)
          assert.equal(error.code, 'CHANNEL_CLOSED')
          return true
        }),
      )
      if (who === 'this') channel.close()
      else port.close()
      await Promise.all(refused)
      assert.equal(channel.closed, true)
      assert.equal(clock.pending, 0, 'no timer is left')
      await assert.rejects(channel.ask('slow', undefined, inTime), ChannelClosedError)
      channel.tell('slow', undefined)
      channel.close()
    })
  }
})

test('what was sent before the channel is closed still arrives', async (t) => {
  const seen: number[] = []
  const { near, far } = channelTo<{ number(value: number): void }>(t, {
    number: (value) => void seen.push(value),
  })
  for (let i = 0; i < 3; i++) near.tell('number', i)
  near.close()
  await until(
    () => far.closed,
    (closed) => closed,
  )
  assert.deepEqual(seen, [0, 1, 2])
})

describe('a thread', () => {
  function thread(
    t: TestContext,
    keepsAlive = true,
  ): { channel: Channel<ToStarter, ToWorker>; worker: Worker } {
    const { port1, port2 } = new MessageChannel()
    const worker = new Worker(new URL('../../support/channel-worker.js', import.meta.url), {
      workerData: { port: port2, keepsAlive },
      transferList: [port2],
    })
    const channel = new Channel<ToStarter, ToWorker>(
      port1,
      { upperCase: (text) => text.toUpperCase() },
      { ...strict, keepsAlive: true },
    )
    t.after(() => {
      channel.close()
      return worker.terminate()
    })
    return { channel, worker }
  }

  test('answers, asks in turn, and its errors cross', async (t) => {
    const { channel } = thread(t)
    assert.equal(await channel.ask('double', 21, inTime), 42)
    assert.equal(await channel.ask('pass', 'through', inTime), 'THROUGH')
    await assert.rejects(channel.ask('fail', 'far away', inTime), {
      name: 'RangeError',
      message: 'far away',
      code: 'TOO_FAR',
    })
  })

  test('that is terminated in the midst of an answer is not waited for', async (t) => {
    const { channel, worker } = thread(t)
    const begun = new Int32Array(new SharedArrayBuffer(4))
    const asked = assert.rejects(channel.ask('spin', begun, inTime), ChannelClosedError)
    await until(
      () => Atomics.load(begun, 0),
      (value) => value === 1,
    )
    await worker.terminate()
    await asked
    assert.equal(channel.closed, true)
  })

  test('that ends by an error is not waited for', async (t) => {
    const { channel, worker } = thread(t)
    const ended = once(worker, 'error')
    const later = channel.ask('double', 1, inTime)
    channel.tell('fail', 'of no use')
    assert.equal(await later, 2)
    await assert.rejects(channel.ask('double', 1, inTime), ChannelClosedError)
    assert.equal((await ended)[0].message, 'of no use')
  })

  test('ends where its open channel does not keep it alive', async (t) => {
    const { channel, worker } = thread(t, false)
    assert.deepEqual(await once(worker, 'exit'), [0])
    await assert.rejects(channel.ask('double', 1, inTime), ChannelClosedError)
  })

  test('that is kept alive by its channel ends when that closes', async (t) => {
    const { channel, worker } = thread(t)
    assert.equal(await channel.ask('double', 1, inTime), 2)
    channel.close()
    assert.deepEqual(await once(worker, 'exit'), [0])
  })
})
