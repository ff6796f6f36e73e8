import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Gateway, SlotFleet, URL_OF_ALL } from '../../../support/slot-fleet.js'

/** Each of these gateways always has as many requests as it can get, and each request takes this long on average. */
function busy(fleet: SlotFleet, gateways: readonly Gateway[], requests: number) {
  let step = 0
  return () => {
    step++
    for (const [i, gateway] of gateways.entries()) {
      if (!gateway.isAlive) continue
      if ((step + i) % 4 === 0) gateway.end()
      while (gateway.waiting + gateway.backend.inFlight < requests) gateway.request()
    }
    fleet.most = Math.max(fleet.most, fleet.usable)
  }
}

test('idle gateways have a slot each in reserve, so that a request waits for nothing', async () => {
  const fleet = new SlotFleet({ limit: 10, gateways: 3 })
  await fleet.pass(1500)
  assert.deepEqual(
    fleet.gateways.map(({ backend }) => backend.slots),
    [1, 1, 1],
  )
  fleet.gateways[0]?.request()
  assert.deepEqual([fleet.gateways[0]?.waiting, fleet.inFlight], [0, 1])
  await fleet.pass(50)
  assert.ok((fleet.gateways[0]?.backend.slots as number) >= 2, 'the next request finds one as well')
})

test('one gateway alone gets all slots within a few calls', async () => {
  const fleet = new SlotFleet({ limit: 10, gateways: 3 })
  await fleet.pass(1500)
  const [first] = fleet.gateways as [Gateway]
  for (let i = 0; i < 30; i++) first.request()
  await fleet.until(() => first.backend.inFlight === 10, 300)
  assert.equal(fleet.most, 10)
})

test('gateways that all need slots share them evenly, and calls become few', async () => {
  const fleet = new SlotFleet({ limit: 10, gateways: 3 })
  await fleet.pass(1500)
  const act = busy(fleet, fleet.gateways, 20)
  await fleet.until(() => fleet.gateways[0]?.backend.inFlight === 10 || fleet.inFlight === 10, 500, act)
  await fleet.pass(1000, act)
  assert.deepEqual(fleet.gateways.map(({ backend }) => backend.slots).sort(), [3, 3, 4])
  assert.equal(fleet.most, 10)
  const before = fleet.calls
  await fleet.pass(2000, act)
  // Each asks again every 250 ms, and not every 25.
  assert.ok(fleet.calls - before <= 3 * 2 * 6, `${fleet.calls - before} calls in 2 s`)
})

test('a gateway that had all slots gives back what others need, as its requests end', async () => {
  const fleet = new SlotFleet({ limit: 10, gateways: 2 })
  await fleet.pass(1500)
  const [first, second] = fleet.gateways as [Gateway, Gateway]
  for (let i = 0; i < 20; i++) first.request()
  await fleet.until(() => first.backend.inFlight === 10, 300)
  for (let i = 0; i < 20; i++) second.request()
  await fleet.pass(500)
  assert.equal(second.backend.inFlight, 0, 'no request of the first one has ended')
  for (let i = 1; i <= 5; i++) {
    first.end()
    await fleet.until(() => second.backend.inFlight === i, 300)
  }
  first.end()
  assert.equal(first.backend.inFlight, 5, 'the first one uses its share again')
  assert.equal(fleet.most, 10)
})

test('one slot moves between three gateways', async () => {
  const fleet = new SlotFleet({ limit: 1, gateways: 3 })
  await fleet.pass(1500)
  const served = fleet.gateways.map(() => 0)
  const act = () => {
    for (const [i, gateway] of fleet.gateways.entries()) {
      if (gateway.backend.inFlight > 0) {
        gateway.end()
        served[i] = (served[i] as number) + 1
      }
      if (gateway.waiting === 0 && gateway.backend.inFlight === 0) gateway.request()
    }
  }
  await fleet.pass(6000, act)
  assert.equal(fleet.most, 1)
  const [least, most] = [Math.min(...served), Math.max(...served)]
  assert.ok(least > 0.6 * most, `${served}`)
  // Each request takes 5 ms.
  const used = (5 * served.reduce((sum, count) => sum + count)) / 6000
  assert.ok(used > 0.8, `${served}: ${used} of the time`)
})

test('slots of a killed gateway come back when its lease is over', async () => {
  const fleet = new SlotFleet({ limit: 4, gateways: 2 })
  await fleet.pass(1500)
  const [first, second] = fleet.gateways as [Gateway, Gateway]
  for (let i = 0; i < 4; i++) first.request()
  await fleet.until(() => first.backend.inFlight === 4, 1000)
  first.kill()
  second.request()
  await fleet.pass(3500)
  assert.equal(second.backend.inFlight, 0)
  await fleet.until(() => second.backend.inFlight === 1, 2500)
  assert.equal(fleet.most, 4)
})

test('while the store is away each gateway keeps its slots, and gets no more', async () => {
  const fleet = new SlotFleet({ limit: 6, gateways: 3 })
  await fleet.pass(1500)
  const [first, second] = fleet.gateways as [Gateway, Gateway, Gateway]
  for (let i = 0; i < 3; i++) first.request()
  await fleet.until(() => first.backend.inFlight === 3, 500)
  fleet.isAway = true
  const slots = fleet.gateways.map(({ backend }) => backend.slots)
  for (let i = 0; i < 5; i++) second.request()
  await fleet.pass(20_000, () => second.backend.inFlight > 0 && second.end())
  assert.equal(second.waiting, 0, 'a slot is used again')
  assert.deepEqual(
    fleet.gateways.map(({ backend }) => backend.slots),
    slots,
  )
  fleet.isAway = false
  for (const gateway of fleet.gateways) gateway.heard?.()
  for (let i = 0; i < 9; i++) second.request()
  await fleet.until(() => second.backend.inFlight > 1, 1000)
  assert.ok(fleet.most <= 6, `${fleet.most}`)
})

test('a gateway that starts while the store is away keeps to the limit by itself, until the store answers', async () => {
  const fleet = new SlotFleet({ limit: 4, gateways: 1 })
  await fleet.pass(1500)
  fleet.isAway = true
  const late = fleet.join()
  await fleet.pass(100)
  for (let i = 0; i < 6; i++) late.request()
  assert.equal(late.backend.inFlight, 4)
  fleet.isAway = false
  for (const gateway of fleet.gateways) gateway.heard?.()
  await fleet.pass(200)
  const [first] = fleet.gateways as [Gateway]
  first.request()
  await fleet.pass(1500)
  late.end()
  assert.equal(late.backend.inFlight, 3, 'it comes down to its fair share')
  await fleet.pass(1500)
  assert.deepEqual([fleet.inFlight, fleet.usable], [4, 4])
})

for (const gateways of [1, 3]) {
  test(`an emptied store grants nothing for one lease: ${gateways} gateways`, async () => {
    const fleet = new SlotFleet({ limit: 6, gateways })
    await fleet.pass(1500)
    const [first] = fleet.gateways as [Gateway]
    for (let i = 0; i < 3; i++) first.request()
    await fleet.until(() => first.backend.inFlight === 3, 500)
    fleet.model.empty()
    const late = fleet.join()
    for (let i = 0; i < 9; i++) late.request()
    await fleet.pass(4500)
    assert.equal(late.backend.inFlight, 0)
    assert.equal(first.backend.inFlight, 3)
    await fleet.until(() => late.backend.inFlight > 0, 2000)
    assert.ok(fleet.most <= 6, `${fleet.most}`)
  })
}

test('the first start of all waits for a second and a half, or until the store has been up for four', async () => {
  for (const [uptime, least, most] of [
    [1000, 1450, 2000],
    [1, 2900, 3500],
  ] as const) {
    const fleet = new SlotFleet({ limit: 6, gateways: 0 })
    fleet.model.empty()
    fleet.model.uptime = uptime
    const [first] = [fleet.join(), fleet.join()] as [Gateway, Gateway]
    first.request()
    const took = await fleet.until(() => first.backend.inFlight === 1, most)
    assert.ok(took >= least, `${took}`)
  }
})

for (const [what, seconds] of [
  ['was emptied', 2],
  ['has lost its last writes', 0.6],
] as const) {
  test(`a store that ${what} grants nothing until all others have had time to say what they have`, async () => {
    const fleet = new SlotFleet({ limit: 10, gateways: 2 })
    await fleet.pass(1500)
    const restore = fleet.model.backup()
    const [first, second] = fleet.gateways as [Gateway, Gateway]
    for (const gateway of [first, second]) for (let i = 0; i < 4; i++) gateway.request()
    await fleet.until(() => fleet.inFlight === 8, 500)
    second.isCut = true
    if (what === 'was emptied') fleet.model.empty()
    else restore()
    // The store learns from the first one that it knows too little.
    first.heard?.()
    await fleet.pass(50)
    const third = fleet.join()
    for (let i = 0; i < 8; i++) third.request()
    await fleet.pass(1000 * seconds)
    second.cut(false)
    await fleet.pass(4500 - 1000 * seconds)
    assert.deepEqual([first.usable >= 4, second.usable >= 4, fleet.usable <= 10], [true, true, true])
    assert.ok(fleet.most <= 10, `${fleet.most}`)
    await fleet.until(() => fleet.inFlight === 10, 1500)
  })
}

test('slots that were granted with an answer that was lost are given back', async () => {
  const fleet = new SlotFleet({ limit: 1, gateways: 2 })
  await fleet.pass(1500)
  const other = fleet.gateways.find(({ backend }) => backend.slots === 0) as Gateway
  fleet.options.passage = (gateway) => ({ there: 1, back: gateway === other ? undefined : 1 })
  other.request()
  await fleet.until(() => fleet.model.held(URL_OF_ALL)[other.token] === 1, 6000)
  assert.equal(other.usable, 0)
  fleet.setLimit(0)
  fleet.options.passage = undefined
  await fleet.pass(3500)
  assert.deepEqual(fleet.model.held(URL_OF_ALL), {})
})

test('a failover that loses grants: no more than these come on top', async () => {
  const fleet = new SlotFleet({ limit: 10, gateways: 2 })
  await fleet.pass(1500)
  const [first, second] = fleet.gateways as [Gateway, Gateway]
  const restore = fleet.model.backup()
  for (let i = 0; i < 9; i++) first.request()
  await fleet.until(() => first.backend.inFlight === 9, 500)
  const lost = 9 - 1
  restore()
  for (let i = 0; i < 20; i++) second.request()
  await fleet.pass(1500)
  assert.ok(fleet.most > 10, 'the store cannot know at first')
  assert.ok(fleet.most <= 10 + lost, `${fleet.most}`)
  const act = () => {
    if (second.backend.inFlight > 5) second.end()
    if (first.backend.inFlight > 5) first.end()
  }
  await fleet.pass(8000, act)
  assert.equal(fleet.usable, 10)
})

test('of a gateway that is cut off others get the slots; it comes down when it is back', async () => {
  const fleet = new SlotFleet({ limit: 6, gateways: 2 })
  await fleet.pass(1500)
  const [first, second] = fleet.gateways as [Gateway, Gateway]
  for (let i = 0; i < 4; i++) first.request()
  await fleet.until(() => first.backend.inFlight === 4, 500)
  await fleet.pass(1100)
  const held = first.usable
  first.cut(true)
  for (let i = 0; i < 9; i++) second.request()
  await fleet.until(() => second.backend.inFlight === 6, 7000)
  assert.ok(fleet.most <= 6 + held, `${fleet.most}`)
  first.cut(false)
  await fleet.pass(300)
  assert.equal(first.usable, 4, 'it has in flight what it had, and gets no more')
  first.end()
  first.end()
  for (let i = 0; i < 4; i++) first.request()
  await fleet.pass(500)
  assert.equal(first.backend.inFlight, 3, 'its fair share')
  for (let i = 0; i < 3; i++) second.end()
  await fleet.pass(300)
  assert.equal(fleet.inFlight, 6)
})

test('a limit that changes: lower, higher, none, and one again', async () => {
  const fleet = new SlotFleet({ limit: 8, gateways: 2 })
  await fleet.pass(1500)
  const [first, second] = fleet.gateways as [Gateway, Gateway]
  for (let i = 0; i < 20; i++) first.request()
  await fleet.until(() => first.backend.inFlight === 8, 500)
  fleet.setLimit(3)
  for (let i = 0; i < 4; i++) first.end()
  assert.equal(first.backend.inFlight, 4)
  first.end()
  first.end()
  await fleet.pass(300)
  assert.equal(fleet.inFlight, 3)
  assert.ok(fleet.usable <= 3, `${fleet.usable}`)
  fleet.setLimit(5)
  await fleet.until(() => first.backend.inFlight === 5, 500)
  fleet.setLimit(0)
  second.request()
  assert.equal(second.backend.inFlight, 1, 'without a limit nothing is waited for')
  while (first.waiting > 0) first.request()
  await fleet.pass(1500)
  assert.deepEqual(fleet.model.held(URL_OF_ALL), {})
  fleet.setLimit(2)
  second.request()
  await fleet.pass(1500)
  assert.equal(second.waiting, 1, 'nothing new before the fleet is below its limit')
  while (first.backend.inFlight > 0) {
    first.waiting = 0
    first.end()
  }
  await fleet.until(() => second.waiting === 0, 1500)
  assert.ok(fleet.usable <= 2, `${fleet.usable}`)
})

test('a backend that is removed gives its slots back, and one of the same URL begins anew', async () => {
  const fleet = new SlotFleet({ limit: 4, gateways: 2 })
  await fleet.pass(1500)
  const [first, second] = fleet.gateways as [Gateway, Gateway]
  for (let i = 0; i < 3; i++) first.request()
  await fleet.until(() => first.backend.inFlight === 3, 500)
  const old = first.replaceBackend()
  for (let i = 0; i < 4; i++) first.request()
  await fleet.pass(1500)
  assert.deepEqual([old.inFlight, first.backend.inFlight, second.usable], [3, 1, 0])
  for (let ended = 1; ended <= 3; ended++) {
    old.counter.end('ok')
    await fleet.until(() => first.backend.inFlight === 1 + ended, 2000)
    assert.ok(old.inFlight + fleet.usable <= 4, `${fleet.usable}`)
  }
})
