import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { BUFFER_BYTES } from '../../../src/proxy/upstream/body-reader.js'
import { PipedBody } from '../../../src/proxy/upstream/piped-body.js'

/** A destination that takes no byte before it is told to. */
class Slow extends Writable {
  readonly taken: Buffer[] = []
  #done: (() => void) | undefined

  constructor() {
    super({ highWaterMark: 10 })
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.taken.push(chunk)
    this.#done = done
  }

  /** Takes everything that waits. */
  async take(): Promise<void> {
    for (let done = this.#done; done; done = this.#done) {
      this.#done = undefined
      done()
      await Promise.resolve()
    }
  }

  get text(): string {
    return Buffer.concat(this.taken).toString()
  }
}

/** A body, and what its source was told. */
function piped() {
  const told: string[] = []
  const body = new PipedBody({
    onAllTaken: () => told.push('all taken'),
    onTaking: () => told.push('taking'),
    onDropped: (error) => told.push(`dropped: ${error?.message}`),
  })
  for (const event of ['end', 'error', 'close']) body.on(event, () => told.push(event))
  return { body, told }
}

test('what came before there was a destination is written first; if nothing did, the source learns it', async () => {
  const { body, told } = piped()
  body.push(Buffer.from('a'))
  body.push(Buffer.from('b'))
  const destination = new Slow()
  assert.equal(body.pipe(destination), destination)
  body.push(Buffer.from('c'))
  await destination.take()
  assert.equal(destination.text, 'abc')
  assert.ok(!told.includes('all taken'))
  const early = piped()
  early.body.pipe(new Slow())
  assert.equal(early.told[0], 'all taken')
})

test('a full destination takes 64 KB more, and the source goes on when it has drained', async () => {
  const { body, told } = piped()
  const destination = new Slow()
  body.pipe(destination)
  const chunk = Buffer.alloc(BUFFER_BYTES / 4)
  // The first one fills it.
  for (let i = 0; i < 4; i++) assert.equal(body.push(chunk), true, String(i))
  assert.equal(body.push(chunk), false)
  told.length = 0
  const drained = once(destination, 'drain')
  await destination.take()
  await drained
  assert.deepEqual(told, ['taking'])
  assert.equal(body.push(chunk), true)
})

test('as much is kept of a body that is piped nowhere yet', () => {
  const { body } = piped()
  assert.equal(body.push(Buffer.alloc(BUFFER_BYTES - 1)), true)
  assert.equal(body.push(Buffer.alloc(1)), false)
})

test('the end ends the destination, unless the caller does; it may come before the destination', async () => {
  for (const isEarly of [false, true]) {
    for (const end of [true, false]) {
      const { body, told } = piped()
      const destination = new Slow()
      if (!isEarly) body.pipe(destination, { end })
      body.push(Buffer.from('x'))
      body.end()
      if (isEarly) body.pipe(destination, { end })
      assert.equal(told.at(-1), 'end')
      assert.equal(destination.writableEnded, end)
      await destination.take()
      assert.equal(destination.text, 'x')
      // Nothing is left to be dropped.
      body.destroy()
      assert.equal(told.at(-1), 'end')
    }
  }
})

test('a body that breaks has no end, and is written no more', async () => {
  for (const error of [new Error('broken'), undefined]) {
    const { body, told } = piped()
    const destination = new Slow()
    body.pipe(destination)
    told.length = 0
    const closed = once(body, 'close').catch(() => {})
    body.destroy(error)
    body.destroy(new Error('again'))
    body.end()
    assert.deepEqual(told, [`dropped: ${error?.message}`])
    await closed
    await Promise.resolve()
    assert.deepEqual(told.slice(1), error ? ['error', 'close'] : ['close'])
    assert.equal(destination.writableEnded, false)
  }
})

test('nothing is written to a destination that somebody else has ended or destroyed', async () => {
  for (const method of ['end', 'destroy'] as const) {
    const { body } = piped()
    const destination = new Slow()
    destination.on('error', (error) => assert.fail(error))
    body.pipe(destination)
    destination[method]()
    assert.equal(body.push(Buffer.from('x')), true)
    body.end()
    await new Promise(setImmediate)
    assert.equal(destination.text, '')
  }
})
