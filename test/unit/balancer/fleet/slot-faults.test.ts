import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seeded } from '../../../support/random.js'
import { type Gateway, SlotFleet, URL_OF_ALL } from '../../../support/slot-fleet.js'

/** No gateway is out of reach for so long that its lease ends, and losses of one gateway are this far apart. */
const LOSSES_APART_MS = 6000

interface Faults {
  /** Gateways are killed, and others start. */
  kills?: boolean
  /** The store is away for all, for up to 12 s. */
  away?: boolean
  /** The store is emptied now and then. */
  emptied?: boolean
}

/** A fleet with random demand, in a network that delays and loses. */
function fleetOf(seed: number, faults: Faults) {
  const random = seeded(seed)
  const between = (least: number, most: number) => least + Math.floor(random() * (most - least + 1))
  const lostAt = new Map<Gateway, number>()
  let spareUntil = 0
  const limit = between(1, 12)
  const fleet = new SlotFleet({ limit, gateways: between(2, 5) })
  fleet.options.losesNews = () => random() < 0.2
  fleet.options.passage = (gateway) => {
    const now = fleet.clock.now()
    const passage = { there: between(1, 80), back: between(1, 80) }
    if (now < spareUntil || now - (lostAt.get(gateway) ?? -LOSSES_APART_MS) < LOSSES_APART_MS) return passage
    if (random() > 0.1) return passage
    lostAt.set(gateway, now)
    const kind = random()
    if (kind < 0.3) return { ...passage, there: undefined }
    if (kind < 0.6) return { ...passage, back: undefined }
    // The store carries it out long after it was given up.
    return { there: between(2600, 9000), back: 1 }
  }
  const demands = new Map<Gateway, number>()
  let nextFaultAt = 3000
  let backAt = Number.POSITIVE_INFINITY
  const act = () => {
    const now = fleet.clock.now()
    for (const gateway of fleet.living) {
      if (random() < 0.005) demands.set(gateway, random() < 0.5 ? 0 : between(0, 2 * limit))
      const { backend } = gateway
      for (let i = backend.inFlight; i > 0; i--) if (random() < 0.05) gateway.end()
      while (gateway.waiting + backend.inFlight < (demands.get(gateway) ?? 0)) gateway.request()
    }
    if (now >= backAt) {
      backAt = Number.POSITIVE_INFINITY
      nextFaultAt = now + between(0, 6000)
      fleet.isAway = false
      spareUntil = now + 4000
      for (const gateway of fleet.living) fleet.clock.after(between(0, 2000), () => gateway.heard?.())
    }
    if (now < nextFaultAt || fleet.isAway) return
    nextFaultAt = now + between(500, 7000)
    const kind = random()
    if (faults.kills && kind < 0.4) {
      if (fleet.living.length > 1) fleet.living[between(0, fleet.living.length - 1)]?.kill()
      if (fleet.living.length < 5) fleet.join()
      // A gateway that has never had an answer when the store goes away keeps to the limit by itself.
      nextFaultAt = Math.max(nextFaultAt, now + 4000)
    } else if (faults.away && kind < 0.7) {
      fleet.isAway = true
      backAt = now + between(100, 12_000)
    } else if (faults.emptied && [...lostAt.values()].every((at) => now - at > 3000)) {
      fleet.model.empty()
      spareUntil = now + 4000
      nextFaultAt = now + between(5000, 9000)
      if (random() < 0.5) fleet.join()
    }
  }
  return { fleet, act, limit }
}

const scenes: [string, Faults][] = [
  ['late and lost calls and messages', {}],
  ['kills and starts', { kills: true }],
  ['a store that is away', { kills: true, away: true }],
  ['a store that is emptied', { emptied: true }],
]

for (const [what, faults] of scenes) {
  test(`all gateways together keep to the limit: ${what}`, async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const { fleet, act, limit } = fleetOf(seed, faults)
      await fleet.pass(30_000, act)
      assert.ok(fleet.most <= limit, `seed ${seed}: ${fleet.most} of ${limit}`)

      // No more faults, and no demand.
      fleet.isAway = false
      fleet.options.passage = undefined
      fleet.options.losesNews = undefined
      for (const gateway of fleet.living) {
        gateway.waiting = 0
        while (gateway.backend.inFlight > 0) gateway.end()
        gateway.heard?.()
      }
      await fleet.pass(18_000)
      const held = Object.values(fleet.model.held(URL_OF_ALL))
      assert.ok(
        held.every((slots) => slots <= 1),
        `seed ${seed}: all but the reserve is given back: ${held}`,
      )
      const [one] = fleet.living as [Gateway]
      for (let i = 0; i < limit; i++) one.request()
      await fleet.until(() => one.backend.inFlight === limit, 1000)
      assert.ok(fleet.most <= limit, `seed ${seed}: ${fleet.most} of ${limit}`)
    }
  })
}

test('a gateway with a waiting request gets a slot, however busy the others are', async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const random = seeded(seed)
    const limit = 1 + Math.floor(random() * 6)
    const fleet = new SlotFleet({ limit, gateways: 2 + Math.floor(random() * 4) })
    const [one, ...others] = fleet.gateways as [Gateway, ...Gateway[]]
    const act = () => {
      for (const gateway of others) {
        if (random() < 0.2) gateway.end()
        while (gateway.waiting + gateway.backend.inFlight < 10) gateway.request()
      }
    }
    await fleet.pass(3000, act)
    let longest = 0
    for (let round = 0; round < 5; round++) {
      one.request()
      const took = await fleet.until(() => one.backend.inFlight === 1, 3000, act)
      longest = Math.max(longest, took)
      one.end()
      await fleet.pass(500, act)
    }
    // With a slot for each, no one has to wait for its turn.
    if (limit >= fleet.gateways.length) assert.ok(longest <= 500, `seed ${seed}: ${longest} ms`)
    assert.ok(fleet.most <= limit, `seed ${seed}: ${fleet.most} of ${limit}`)
  }
})
