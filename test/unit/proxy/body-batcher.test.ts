import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { BodyBatcher } from '../../../src/proxy/upstream/body-batcher.js'
import { start } from '../../support/process.js'

test('all of a turn are opened at its end, in order', async () => {
  const opened: number[] = []
  const waiting = new BodyBatcher()
  for (const i of [1, 2, 3]) waiting.add({ open: () => opened.push(i) })
  await Promise.resolve()
  assert.equal(opened.length, 0)
  await setImmediate()
  assert.deepEqual(opened, [1, 2, 3])
  waiting.add({ open: () => opened.push(4) })
  await setImmediate()
  assert.deepEqual(opened, [1, 2, 3, 4])
})

test('one that throws does not keep the others waiting', async () => {
  const url = new URL('../../../src/proxy/upstream/body-batcher.js', import.meta.url)
  const { process: child, ended } = start([
    '--input-type=module',
    '-e',
    `import { BodyBatcher } from '${url}'
     process.on('uncaughtException', ({ message }) => console.log(message))
     const waiting = new BodyBatcher()
     waiting.add({ open() { throw new Error('thrown') } })
     waiting.add({ open: () => console.log('opened') })`,
  ])
  await once(child, 'close')
  assert.deepEqual((await ended).stdout.trim().split('\n').sort(), ['opened', 'thrown'])
})
