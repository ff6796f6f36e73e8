import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { MessagePort } from 'node:worker_threads'
import type { Balancer } from '../../../../src/balancer/balancer.js'
import type { PoolWorker } from '../../../../src/balancer/threads/pool-worker.js'
import { sharedPool } from '../../../support/pool-members.js'
import { until } from '../../../support/until.js'

const urls = ['http://a:1', 'http://b:1']
const calm = { ejectMaxPercent: 0, slowStart: 0, failureDecay: 0 }

// Messages between workers alone do not keep a process alive.
const alive = setInterval(() => {}, 60_000)
after(() => clearInterval(alive))

/** Takes a lease for a request with this id. */
function request(balancer: Balancer, id: string) {
  let taken: { release(outcome: 'ok' | 'failed', cause?: 'refused'): void } | undefined
  balancer.lease({
    request: id,
    onLease(lease) {
      taken = lease
    },
    onReject(error) {
      throw error
    },
  })
  assert.ok(taken)
  return taken
}

/** Waits until workers take part in the pool. */
async function begun(...workers: PoolWorker[]): Promise<void> {
  await until(() => workers.every(({ takesPart }) => takesPart), Boolean)
}

/** Takes a place in the pool for a worker that begins, and then answers nothing. */
function mute(control: Balancer) {
  const worker = control.workers?.connect()
  assert.ok(worker)
  const port: MessagePort = worker.handle.port
  const payload = { kind: 'applied', revision: worker.handle.revision }
  port.postMessage({ kind: 'tell', name: 'news', payload })
  return worker
}

test('the decisions of all workers are one list, the latest first', async (t) => {
  const { control, members, workers, clock } = sharedPool(t, { members: 2, backends: urls, ...calm })
  await begun(...workers)
  const ids = Array.from({ length: 9 }, (_, i) => `r${i}`)
  for (const [i, id] of ids.entries()) {
    clock.pass(10)
    request(members[i % 2] as Balancer, id)
  }
  const all = await control.everyDecision()
  assert.deepEqual(
    all.map((one) => one.request),
    ids.toReversed(),
  )
  assert.deepEqual(
    all.find((one) => one.request === 'r3'),
    members[1]?.decisions({ request: 'r3' })[0],
  )
  assert.deepEqual(await control.everyDecision({ limit: 4 }), all.slice(0, 4))
  const [{ backend } = { backend: '' }] = all
  assert.deepEqual(
    await control.everyDecision({ backend }),
    all.filter((one) => one.backend === backend),
  )
  assert.deepEqual(control.decisions(), [])
  assert.deepEqual(await members[0]?.everyDecision(), members[0]?.decisions())
})

test('of the decisions of all workers 1,000 are kept', async (t) => {
  const { control, members, workers, clock } = sharedPool(t, { members: 2, backends: urls, ...calm })
  await begun(...workers)
  for (let i = 0; i < 1200; i++) {
    clock.pass(1)
    request(members[i % 2] as Balancer, `r${i}`).release('ok')
  }
  const all = await control.everyDecision()
  assert.equal(all.length, 1000)
  assert.equal(all.at(-1)?.request, 'r200')
})

test('a worker that does not answer within a second is left out of decisions and explanations', async (t) => {
  const pool = { members: 2, backends: urls, ...calm }
  const { control, members, workers, clock } = sharedPool(t, pool)
  await begun(...workers)
  request(members[1] as Balancer, 'here')
  // The first place is that of a worker that says nothing.
  members[0]?.close()
  workers[0]?.close()
  const silent = mute(control)
  assert.equal(silent.number, 0)
  await begun(silent)
  const unanswered: number[] = []
  control.workers?.on('unanswered', ({ number }) => unanswered.push(number))

  const decisions = control.everyDecision()
  // Answers come in the order of questions.
  await workers[1]?.decisions({})
  clock.pass(1000)
  assert.deepEqual(
    (await decisions).map((one) => one.request),
    ['here'],
  )
  const explanation = control.explainNext()
  clock.pass(1000)
  assert.deepEqual((await explanation).backends, members[1]?.explain().backends)
  assert.deepEqual(unanswered, [0, 0])
})

test('an explanation is that of a worker, with its exceptions; without workers the control plane gives one', async (t) => {
  const { control, members, workers } = sharedPool(t, { members: 1, backends: urls, ...calm })
  await begun(...workers)
  const [first] = control.registry.list()
  assert.ok(first)
  const explanation = await control.explainNext({ except: new Set([first]) })
  assert.equal(explanation.backends.find(({ id }) => id === first.id)?.reason, 'excluded by the request')
  assert.equal(explanation.backend, control.registry.list()[1]?.id)
  // Only the worker has had its turns.
  members[0]?.acquire().release('ok')
  assert.equal((await control.explainNext()).backend, members[0]?.explain().backend)
  members[0]?.close()
  workers[0]?.close()
  assert.equal((await control.explainNext()).outcome, 'choice')
})

test('the numbers of the pool are those of all workers, also of one that has ended', (t) => {
  const { control, members, workers } = sharedPool(t, { members: 3, backends: urls, ...calm })
  for (const [i, member] of members.entries()) {
    for (let n = 0; n <= i; n++) member.requested()
    member.retried()
    member.refused('LEASTWISE_NO_BACKEND')
    member.acquire()
  }
  members[0]?.refused('LEASTWISE_OVERLOADED')
  const { requests, retries, refused, inFlight } = control.view()
  assert.deepEqual([requests, retries, inFlight], [6, 3, 3])
  assert.equal(refused.LEASTWISE_NO_BACKEND, 3)
  assert.equal(refused.LEASTWISE_OVERLOADED, 1)
  assert.equal(refused.LEASTWISE_STOPPED, 0)
  members[2]?.close()
  workers[2]?.close()
  assert.deepEqual(control.view(), { ...members[0]?.view(), requests, retries, refused, inFlight: 2 })
})
