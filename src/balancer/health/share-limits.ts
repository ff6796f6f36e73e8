import type { Backend } from '../backends/backend.js'
import { type Tier, tiers } from '../selection/tier.js'
import { DueHeap, type DueItem } from '../structures/due-heap.js'
import type { Clock } from '../time/clock.js'
import type { FailurePenalty } from './failure-penalty.js'
import type { SlowStart } from './slow-start.js'

/** Credit that a backend can save up, so that a turn it could not take is not lost, and no flood follows. */
const SAVED = 2
/** Milliseconds between two requests that a backend with a penalty is given in need. */
const REST_MS = 1000
/** Milliseconds for which no other backend could take a request, after which one that refuses is better than to wait. */
const STUCK_MS = 1000
/** Where all are on the ramp, what is too little of a difference to matter. */
const NEAR = 0.1
/** What rounding may have taken off a whole credit. */
const EPSILON = 1e-9
/** Milliseconds between two looks at what time alone has changed, at most. */
const LOOK_INTERVAL_MS = 50
/** The same for each limited backend, at least, so that a look costs little of the time between two. */
const LOOK_INTERVAL_PER_LIMIT_MS = 0.01
/** Limited backends that are looked at for each request on average, at most, where a change concerns all of them. */
const LOOKS_PER_REQUEST = 8

/** The virtual time of limits that are credited alike: the requests that a backend of weight 1 was due so far. */
interface Course {
  time: number
  /** Those that wait for their next request, by the time at which they are due it. */
  readonly waiting: DueHeap<Limit>
}

interface Limit extends DueItem {
  readonly backend: Backend
  /** Requests it may be given, as of `at` in the time of its course. */
  credit: number
  course: Course
  at: number
  /** The weight of which it has a part. 0 while it is not eligible. */
  weight: number
  /** The parts of its fair share that slow start and failures leave it, as of the last look. */
  ramp: number
  kept: number
  /** Whether it may not have more than its fair share either. */
  capped: boolean
  /** The part of its fair share that follows from these, beside how the others are. */
  share: number
  /** The part of its weight that it leaves to those that are not on the ramp. */
  left: number
  /** When it was given a request in need. */
  neededAt: number
}

/** What limits have to know of their pool. */
export interface ShareLimitsPool {
  clock: Clock
  /** Requests in flight on a backend, on average. */
  meanInFlight(): number
  /** The `tier` of a backend changed. */
  retiered(backend: Backend): void
}

/**
 * Backends that may have only part of their fair share: those on the ramp of slow start, and those with a
 * failure penalty; and those that may not have more than it, as they refuse what others answer. With each choice such a
 * backend is credited its part of one request, and it stands for choice only while it has a whole one. So its share stays
 * under the limit however idle it is, a backend that rests at the foot of a long ramp is still asked now and then, and
 * every policy abides by it, as it chooses by `tier`.
 *
 * Where all are on the ramp the one that is furthest up is the measure. Where more than half have a penalty
 * nobody has one: it is not the backends then, and the first to succeed must not be given everything. And
 * where all that are not limited are full, the others are used before requests have to wait: in proportion to
 * the ramp, or once a second where failures are the reason; those that refuse only where requests cannot wait, or where
 * nothing moves on the others, which may be full of streams that take for ever.
 *
 * Nothing is done for a backend that is not chosen: its credit follows from how far the share of all has come, and
 * from when it is due the next request, it stands in a heap. What changes with time alone is looked at by a timer,
 * while there is any limit.
 */
export class ShareLimits {
  readonly #slowStart: SlowStart
  readonly #penalty: FailurePenalty
  readonly #pool: ShareLimitsPool
  readonly #limits = new Map<Backend, Limit>()
  /** Of those that are on the ramp, and of the others, who share what those on the ramp leave. */
  readonly #ramping: Course = { time: 0, waiting: new DueHeap() }
  readonly #steady: Course = { time: 0, waiting: new DueHeap() }
  #weightOf: (backend: Backend) => number = () => 1
  /** Eligible backends, and their weight. */
  #eligible = 0
  #total = 0
  /** The weight that those on the ramp leave to the others. */
  #left = 0
  /** Limited ones that are eligible: on the ramp, with a large penalty, and not to be chosen but in need. */
  #onRamp = 0
  #sick = 0
  #spent = 0
  /** Whether all eligible ones are on the ramp, and how far up the first of them is. */
  #allOnRamp = false
  #furthest = 1
  /** Whether too many have a penalty for it to be theirs. */
  #mostSick = false
  /** Requests in flight on a backend, on average. */
  #mean = 0
  /** When a request was last given to a backend that may have more than its fair share. */
  #freeChosenAt = Number.NEGATIVE_INFINITY
  /** Looks at single backends, and requests, since all were looked at. */
  #since = 0
  #cancelLook: (() => void) | undefined

  constructor(slowStart: SlowStart, penalty: FailurePenalty, pool: ShareLimitsPool) {
    this.#slowStart = slowStart
    this.#penalty = penalty
    this.#pool = pool
  }

  /** Whether there is any. */
  get any(): boolean {
    return this.#limits.size > 0
  }

  /** How many eligible backends have had their part, and are chosen only in need. */
  get spent(): number {
    return this.#spent
  }

  /** A backend is on the ramp now. It may have one request at once: at a low rate the next may be far off. */
  joined(backend: Backend): void {
    const capped = this.isCapped(backend)
    this.#drop(backend)
    const limit = this.#add(backend, 1)
    limit.capped = capped
    this.#look(limit)
  }

  /** A backend has a penalty, and nothing saved any more. */
  failed(backend: Backend): void {
    const limit = this.#limits.get(backend) ?? this.#add(backend, 0)
    this.#settle(limit)
    limit.credit = Math.min(limit.credit, 0)
    this.#look(limit)
  }

  /** The penalty of a backend is less than it was. */
  succeeded(backend: Backend): void {
    const limit = this.#limits.get(backend)
    if (limit) this.#look(limit)
  }

  /** Whether a backend may not have more than its fair share from now on. */
  cap(backend: Backend, capped: boolean): void {
    const limit = this.#limits.get(backend) ?? (capped ? this.#add(backend, 0) : undefined)
    if (!limit) return
    limit.capped = capped
    this.#look(limit)
  }

  isCapped(backend: Backend): boolean {
    return this.#limits.get(backend)?.capped === true
  }

  forget(backend: Backend): void {
    this.#drop(backend)
  }

  /** Drops its timer. */
  close(): void {
    this.#cancelLook?.()
    this.#cancelLook = undefined
  }

  /** The parts of its fair share that slow start and failures leave it, each from 0 to 1. */
  partsOf(backend: Backend, now: number): { ramp: number; kept: number } {
    return { ramp: this.#slowStart.heightOf(backend, now), kept: this.#penalty.keptBy(backend, now) }
  }

  /** The part of its fair share that it may have, from 0 to 1. */
  shareOf(backend: Backend, now: number): number {
    return this.#slowStart.heightOf(backend, now) * this.#penalty.keptBy(backend, now)
  }

  /** The set of eligible backends changed, or a weight in it. */
  update(eligible: number, totalWeight: number, weightOf: (backend: Backend) => number): void {
    this.#eligible = eligible
    this.#total = totalWeight
    this.#weightOf = weightOf
    if (this.any) this.#lookAtAll()
  }

  /** The number of requests in flight of a backend changed. */
  changed(backend: Backend): void {
    if (backend.tier < tiers.spent) return
    const limit = this.#limits.get(backend)
    if (limit) this.#place(limit, this.#pool.clock.now())
  }

  /** A backend was chosen: it pays for that, and everybody gets his part of one request. */
  chosen(backend: Backend, now: number): void {
    const limit = this.#limits.get(backend)
    if (limit) {
      this.#settle(limit)
      limit.credit = Math.max(-1, limit.credit - 1)
      if (backend.tier >= tiers.spent) limit.neededAt = now
    }
    if (!limit?.capped) this.#freeChosenAt = now
    this.#ramping.time += 1 / this.#total
    // The requests that backends on the ramp may not take are shared by the others.
    this.#steady.time += 1 / Math.max(EPSILON, this.#total - this.#left)
    if (limit) this.#look(limit)
    this.#serve(this.#ramping, now)
    this.#serve(this.#steady, now)
    this.#since++
    if (this.#isOutdated) this.#lookAtAll()
  }

  /** Gives a whole credit to the limits whose time has come. */
  #serve(course: Course, now: number): void {
    for (let limit = course.waiting.first; limit && limit.due <= course.time; limit = course.waiting.first) {
      course.waiting.remove(limit)
      this.#settle(limit)
      limit.credit = Math.max(limit.credit, 1)
      this.#place(limit, now)
    }
  }

  #add(backend: Backend, credit: number): Limit {
    const course = this.#steady
    const limit: Limit = {
      backend,
      credit,
      course,
      at: course.time,
      weight: 0,
      ramp: 1,
      kept: 1,
      capped: false,
      share: 1,
      left: 0,
      due: 0,
      place: -1,
      neededAt: Number.NEGATIVE_INFINITY,
    }
    if (!this.any) this.#mean = this.#pool.meanInFlight()
    this.#limits.set(backend, limit)
    this.#lookLater()
    return limit
  }

  #drop(backend: Backend): void {
    const limit = this.#limits.get(backend)
    if (!limit) return
    this.#count(limit, -1)
    this.#left -= limit.left
    if (limit.place !== -1) limit.course.waiting.remove(limit)
    this.#limits.delete(backend)
    this.#retier(backend, tiers.whole)
    if (this.any) return
    // So that no sum of fractions grows without end.
    this.#left = 0
    this.#ramping.time = 0
    this.#steady.time = 0
    this.#allOnRamp = false
    this.#mostSick = false
    this.close()
  }

  /** Brings the credit up to now. */
  #settle(limit: Limit): void {
    const { course, share, weight } = limit
    limit.credit = Math.min(SAVED, limit.credit + share * weight * (course.time - limit.at))
    limit.at = course.time
  }

  /** Takes a backend into account as it is now. */
  #look(limit: Limit): void {
    const now = this.#pool.clock.now()
    if (!this.#measure(limit, now)) return
    this.#apply(limit, now)
    this.#since++
    if (this.#isOutdated) this.#lookAtAll()
  }

  #lookAtAll(): void {
    const now = this.#pool.clock.now()
    this.#mean = this.#pool.meanInFlight()
    this.#furthest = 0
    for (const limit of this.#limits.values()) {
      if (this.#measure(limit, now) && limit.weight > 0) {
        this.#furthest = Math.max(this.#furthest, limit.ramp)
      }
    }
    this.#allOnRamp = this.#areAllOnRamp
    this.#mostSick = this.#areMostSick
    this.#since = 0
    for (const limit of this.#limits.values()) this.#apply(limit, now)
  }

  get #areAllOnRamp(): boolean {
    return this.#onRamp === this.#eligible
  }

  get #areMostSick(): boolean {
    return 2 * this.#sick > this.#eligible
  }

  /** Whether a fact that all limits depend on has changed, and enough requests came since all were looked at to pay for it. */
  get #isOutdated(): boolean {
    const changed = this.#allOnRamp !== this.#areAllOnRamp || this.#mostSick !== this.#areMostSick
    return changed && this.#since * LOOKS_PER_REQUEST >= this.#limits.size
  }

  /** Finds out what slow start and failures leave a backend. Returns whether it has a limit still. */
  #measure(limit: Limit, now: number): boolean {
    const { backend } = limit
    this.#settle(limit)
    this.#count(limit, -1)
    limit.ramp = this.#slowStart.heightOf(backend, now)
    limit.kept = this.#penalty.keptBy(backend, now)
    limit.weight = backend.isEligible ? this.#weightOf(backend) : 0
    this.#count(limit, 1)
    if (limit.ramp < 1 || limit.kept < 1 || limit.capped) return true
    this.#drop(backend)
    return false
  }

  #count({ ramp, kept, weight, backend }: Limit, change: 1 | -1): void {
    if (weight === 0) return
    if (ramp < 1) this.#onRamp += change
    if (kept < 0.5) this.#sick += change
    if (backend.tier >= tiers.spent) this.#spent += change
  }

  /** Gives a backend the share that follows from what is known of it and of the others. */
  #apply(limit: Limit, now: number): void {
    const { weight, kept } = limit
    const ramp = this.#allOnRamp ? Math.min(1, (limit.ramp + NEAR) / (this.#furthest + NEAR)) : limit.ramp
    const course = ramp < 1 ? this.#ramping : this.#steady
    if (limit.place !== -1) limit.course.waiting.remove(limit)
    if (limit.course !== course) {
      limit.course = course
      limit.at = course.time
    }
    limit.share = ramp * (this.#mostSick ? 1 : kept)
    const left = weight * (1 - ramp)
    this.#left += left - limit.left
    limit.left = left
    this.#place(limit, now)
  }

  /** Puts a backend into the tier to which its credit entitles it. */
  #place(limit: Limit, now: number): void {
    const { backend, credit, share, weight, capped } = limit
    const open = weight === 0 || (share === 1 && !capped) || credit >= 1 - EPSILON
    if (!open && limit.place === -1) {
      limit.due = limit.at + (1 - credit) / (share * weight)
      limit.course.waiting.add(limit)
    }
    const tier = open ? tiers.part : this.#rests(limit, now) ? tiers.resting : tiers.spent
    if (tier !== backend.tier) this.#retier(backend, tier, weight > 0)
  }

  /** Whether one that has had its part is not even to be chosen in need. */
  #rests({ backend, ramp, kept, capped, neededAt }: Limit, now: number): boolean {
    if (capped) return now < this.#freeChosenAt + STUCK_MS
    if (kept < 1 && !this.#mostSick) return now < neededAt + REST_MS
    const room = backend.hasLimit ? backend.maxConnections : this.#mean
    return backend.inFlight >= Math.max(1, ramp * room)
  }

  #retier(backend: Backend, tier: Tier, counts = false): void {
    const { tier: before } = backend
    if (tier === before) return
    if (counts) this.#spent += Number(tier >= tiers.spent) - Number(before >= tiers.spent)
    backend.tier = tier
    this.#pool.retiered(backend)
  }

  #lookLater(): void {
    if (this.#cancelLook) return
    const delay = Math.max(LOOK_INTERVAL_MS, LOOK_INTERVAL_PER_LIMIT_MS * this.#limits.size)
    this.#cancelLook = this.#pool.clock.after(delay, () => {
      this.#cancelLook = undefined
      this.#lookAtAll()
      if (this.any) this.#lookLater()
    })
  }
}
