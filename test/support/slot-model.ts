import type { SlotGrant, SlotRequest } from '../../src/balancer/fleet/slot-store.js'

/** Slots, need, and since when the gateway has slots or has had none. */
type Entry = [slots: number, needed: number, since: number]

interface Pool {
  last: number
  grace: number
  leases: Map<string, { end: number; number: number }>
}

export interface SlotCall {
  pool?: string
  token: string
  number: number
  known: number
  leaves?: boolean
  requests: readonly SlotRequest[]
}

/** An answer of the store, and the URLs of which other gateways are told. */
export interface SlotAnswer {
  now: number
  isNew: boolean
  grants: SlotGrant[]
  tells: string[]
}

/** What the script of `src/stores/redis/slots-script.ts` does, over again: a test compares the two. */
export class SlotModel {
  /** Seconds for which the server has been running. */
  uptime = 1000
  #fleet: { created: number; grace: number } | undefined
  #pools = new Map<string, Pool>()
  #slots = new Map<string, Map<string, Entry>>()

  /** What FLUSHALL does. */
  empty(): void {
    this.#fleet = undefined
    this.#pools = new Map()
    this.#slots = new Map()
  }

  /** Returns a function that brings the present state back. */
  backup(): () => void {
    const copy = structuredClone({ fleet: this.#fleet, pools: this.#pools, slots: this.#slots })
    return () => {
      const { fleet, pools, slots } = structuredClone(copy)
      this.#fleet = fleet
      this.#pools = pools
      this.#slots = slots
    }
  }

  /** Slots of a backend that gateways with a lease have, by their tokens. */
  held(url: string, pool = 'default'): Record<string, number> {
    const entries = [...(this.#slots.get(`${pool}\n${url}`) ?? [])]
    return Object.fromEntries(entries.map(([token, [slots]]) => [token, slots]))
  }

  /** Returns undefined for a call that was overtaken. */
  lease(
    { pool = 'default', token, number, known, leaves = false, requests }: SlotCall,
    now: number,
  ): SlotAnswer | undefined {
    const isNew = !this.#fleet
    if (!this.#fleet) {
      const wait = known > 0 ? 5000 : Math.max(1500, (4 - this.uptime) * 1000)
      this.#fleet = { created: now, grace: now + wait }
    } else if (known > 0 && known < this.#fleet.created) {
      this.#fleet.grace = Math.max(this.#fleet.grace, this.#fleet.created + 5000)
    }
    const fleet = this.#fleet
    const state: Pool = this.#pools.get(pool) ?? { last: 0, grace: 0, leases: new Map() }
    const { leases } = state
    if ((leases.get(token)?.number ?? 0) >= number) return undefined
    this.#pools.set(pool, state)
    if (known > state.last && known > fleet.created) state.grace = now + 5000
    if (now < state.last || now > state.last + 2000) {
      for (const lease of leases.values()) lease.end = now + 5000
    }
    state.last = now
    leases.set(token, { end: now + 5000, number })
    for (const [other, { end }] of leases) if (end <= now || (leaves && other === token)) leases.delete(other)
    for (const [field, entries] of this.#slots) {
      if (!field.startsWith(`${pool}\n`)) continue
      for (const other of entries.keys()) if (!leases.has(other)) entries.delete(other)
      if (entries.size === 0) this.#slots.delete(field)
    }
    const isGrace = now < Math.max(fleet.grace, state.grace)
    const answer: SlotAnswer = { now, isNew, grants: [], tells: [] }
    for (const { url, limit, held, needed, wanted } of requests) {
      const field = `${pool}\n${url}`
      const entries = this.#slots.get(field) ?? new Map<string, Entry>()
      this.#slots.set(field, entries)
      const before = entries.get(token) ?? [0, 0, now]
      const entry: Entry = [held, needed, (before[0] === 0) === (held === 0) ? before[2] : now]
      entries.set(token, entry)
      const { targets, isScarce } = targetsOf(entries, limit, now)
      const target = targets.get(token) ?? 0
      const others = [...entries].filter(([name]) => name !== token)
      const targetOf = (name: string) => targets.get(name) ?? 0
      const free = limit - others.reduce((sum, [, [slots]]) => sum + slots, 0)
      const lack = others.reduce(
        (sum, [name, [slots, need]]) => sum + Math.max(0, Math.min(targetOf(name), need) - slots),
        0,
      )
      const ahead = others
        .filter(([name, [slots, , since]]) => {
          const isBefore = since < entry[2] || (since === entry[2] && name < token)
          return isScarce && slots === 0 && isBefore
        })
        .reduce((sum, [name]) => sum + targetOf(name), 0)
      const isOver = others.some(([name, [slots]]) => slots > targetOf(name))
      const slots = isGrace
        ? held
        : Math.max(held, Math.min(target, free - ahead), Math.min(wanted, free - lack))
      const missing = lack - (free - slots)
      const share = missing > 0 && !isGrace ? Math.max(Math.min(target, slots), slots - missing) : slots
      const isShort = slots < Math.min(needed, target)
      if ((isShort && isOver) || (lack > 0 && free > slots)) answer.tells.push(url)
      entry[0] = slots
      if (held === 0 && slots > 0) entry[2] = now
      if (leaves || (slots === 0 && needed === 0)) entries.delete(token)
      if (entries.size === 0) this.#slots.delete(field)
      answer.grants.push({ url, slots, share })
    }
    return answer
  }
}

function targetsOf(entries: ReadonlyMap<string, Entry>, limit: number, now: number) {
  const targets = new Map([...entries.keys()].map((name) => [name, 0]))
  const rest = [...entries].filter(([, [, needed]]) => needed > 0)
  rest.sort(([a, x], [b, y]) => x[1] - y[1] || (a < b ? -1 : 1))
  let left = limit
  for (;;) {
    const [least] = rest
    if (!least || least[1][1] > Math.floor(left / rest.length)) break
    rest.shift()
    targets.set(least[0], least[1][1])
    left -= least[1][1]
  }
  if (rest.length === 0) return { targets, isScarce: false }
  const level = Math.floor(left / rest.length)
  const rank = ([slots, , since]: Entry) => (slots === 0 ? 1 : now - since < 100 ? 0 : 2)
  rest.sort(([a, x], [b, y]) => {
    const order = level === 0 ? rank(x) - rank(y) || (x[0] === 0 ? x[2] - y[2] : y[2] - x[2]) : y[0] - x[0]
    return order || (a < b ? -1 : 1)
  })
  const extra = left - level * rest.length
  for (const [i, [name]] of rest.entries()) targets.set(name, level + Number(i < extra))
  return { targets, isScarce: level === 0 }
}
