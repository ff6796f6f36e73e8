import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { type KeySetChange, KeySetReplica } from '../../../src/auth/keys/key-set-replica.js'
import type { KeySet, NoKeys } from '../../../src/auth/keys/key-set-source.js'
import { KeySets } from '../../../src/auth/keys/key-sets.js'
import { Channel } from '../../../src/threads/channel.js'
import { TestClock } from '../../support/clock.js'
import { issuerKey, keyServer } from '../../support/key-server.js'
import { until } from '../../support/until.js'

const [one, two] = await Promise.all([issuerKey('one'), issuerKey('two')])
const server = await keyServer([one])
after(() => server.close())
const url = server.jwks

interface ToControl {
  getKeys(url: string): KeySet | NoKeys
  refreshKeys(question: { url: string; revision: number }): KeySet | NoKeys
}

interface ToWorker {
  keysChanged(change: KeySetChange): void
}

/** A control plane with so many workers, which talk over ports as threads do. */
function open(t: { after(end: () => void): void }, workers: number) {
  const clock = new TestClock()
  const onError = (error: Error) => assert.ifError(error)
  const channels: Channel<ToControl, ToWorker>[] = []
  const keySets = new KeySets({
    clock,
    onChange(changed, keySet) {
      for (const channel of channels) channel.tell('keysChanged', { url: changed, keySet })
    },
  })
  t.after(() => keySets.close())
  const replicas = Array.from({ length: workers }, () => {
    const { port1, port2 } = new MessageChannel()
    channels.push(
      new Channel<ToControl, ToWorker>(
        port1,
        {
          getKeys: (asked) => keySets.get(asked),
          refreshKeys: ({ url: asked, revision }) => keySets.refresh(asked, revision),
        },
        { onError },
      ),
    )
    const channel = new Channel<ToWorker, ToControl>(
      port2,
      { keysChanged: (change) => replica.apply(change) },
      { onError, keepsAlive: true },
    )
    t.after(() => channel.close())
    const replica = new KeySetReplica({
      get: (asked) => channel.ask('getKeys', asked, { timeout: 10_000 }),
      refresh: (asked, revision) => channel.ask('refreshKeys', { url: asked, revision }, { timeout: 10_000 }),
    })
    return replica
  })
  const before = server.total
  return { keySets, clock, replicas, asked: () => server.total - before }
}

const kids = (keySet: KeySet | NoKeys | undefined): unknown =>
  keySet && ('keys' in keySet ? keySet.keys.map(({ kid }) => kid) : keySet)

test('several workers have the keys of one fetch, and each change of them', async (t) => {
  server.publish([one.jwk])
  const { clock, replicas, asked } = open(t, 3)
  const answers = await Promise.all(replicas.flatMap((replica) => [replica.get(url), replica.get(url)]))
  assert.deepEqual(answers.map(kids), Array(6).fill(['one']))
  assert.equal(asked(), 1)
  for (const replica of replicas) assert.equal(replica.current(url), await replica.get(url))

  server.publish([one.jwk, two.jwk])
  const [first] = replicas as [KeySetReplica]
  const revision = (first.current(url) as KeySet).revision
  const refreshed = await Promise.all(replicas.map((replica) => replica.refresh(url, revision)))
  assert.deepEqual(refreshed.map(kids), Array(3).fill(['one', 'two']))
  assert.equal(asked(), 2)
  for (const [i, replica] of replicas.entries()) assert.equal(replica.current(url), refreshed[i])

  server.publish([])
  clock.pass(480_000)
  await until(
    () => replicas.map((replica) => replica.current(url)),
    (all) => all.every((keys) => !keys),
  )
  assert.deepEqual(await first.get(url), { retryAfter: 1 })
})

test('a control plane that does not answer costs no keys', async () => {
  const keySet: KeySet = { revision: 1, keys: [{ kty: 'EC' }] }
  const questions = {
    get: () => Promise.reject(new Error('closed')),
    refresh: () => Promise.reject(new Error('closed')),
  }
  const replica = new KeySetReplica(questions)
  assert.deepEqual(await replica.get(url), { retryAfter: 1 })
  replica.apply({ url, keySet })
  assert.equal(await replica.get(url), keySet)
  assert.equal(await replica.refresh(url, 1), keySet)
})

test('an answer that is older than a change does not undo it', async () => {
  let answer: (keySet: KeySet) => void = () => {}
  const question = () => new Promise<KeySet>((resolve) => (answer = resolve))
  const replica = new KeySetReplica({ get: question, refresh: question })
  const asked = replica.get(url)
  const newer: KeySet = { revision: 2, keys: [{ kty: 'EC' }] }
  replica.apply({ url, keySet: newer })
  answer({ revision: 1, keys: [{ kty: 'RSA' }] })
  assert.equal(await asked, newer)
  assert.equal(replica.current(url), newer)
})
