import type { Backend } from '../../backends/backend.js'
import type { PickContext } from '../policies/policy.js'
import { AvailableBackends } from './available-backends.js'
import { type Stride, StrideScheduler } from './stride.js'
import { WeightedDraw } from './weighted-draw.js'

/** A backend that can be drawn, and how much of its share it has had. */
export interface RandomCandidate {
  readonly backend: Backend
  readonly stride: Stride
}

/** The backends from which a policy draws at random by weight, and how far each is behind its share. */
export class RandomCandidates<C extends RandomCandidate> {
  /** The candidates, in the order of the eligible backends. */
  list: readonly C[] = []
  readonly #random: () => number
  readonly #make: (backend: Backend, stride: Stride) => C
  readonly #scheduler = new StrideScheduler()
  /** True if other threads change the counts as well, so that no set of available backends can be kept. */
  readonly #isShared: boolean
  /** The candidate that was chosen last, where it is charged only once the request was counted. */
  #chosen: C | undefined
  #draw: WeightedDraw
  #available = new AvailableBackends([], weightOf)

  /**
   * @param isShared true if other threads change the counts as well
   * @param make makes the candidate for a new backend
   */
  constructor(random: () => number, isShared: boolean, make: (backend: Backend, stride: Stride) => C) {
    this.#random = random
    this.#isShared = isShared
    this.#make = make
    this.#draw = new WeightedDraw([], random)
  }

  /**
   * Takes over a new set of eligible backends.
   * @param initialDeficit returns the part of a request, from 0 to 1, that a new backend begins behind its share
   */
  update(eligible: readonly Backend[], initialDeficit: () => number): void {
    const known = new Map(this.list.map((candidate) => [candidate.backend, candidate]))
    this.list = eligible.map(
      (backend) =>
        known.get(backend) ?? this.#make(backend, this.#scheduler.join(backend.weight, initialDeficit())),
    )
    this.#draw = new WeightedDraw(eligible, this.#random)
    this.#available = new AvailableBackends(eligible, weightOf)
  }

  /** Updates a backend whose load changed. */
  changed(backend: Backend): void {
    if (backend.hasLimit) this.#available.refresh(backend)
  }

  /** Updates a backend whose tier changed. */
  retiered(backend: Backend): void {
    this.#available.refresh(backend)
  }

  /** Draws a backend, whether it can take a request or not, and returns its index. The list must not be empty. */
  draw(): number {
    return this.#draw.draw()
  }

  /** Draws a backend other than the one at index `first`, and returns its index. There must be another one. */
  drawOther(first: number): number {
    return this.#draw.drawOther(first)
  }

  /**
   * Draws candidates that can take a request.
   * @param drawn an empty array, to which the candidates are added
   * @param count how many candidates to draw; none is drawn where no candidate can take a request
   * @param distinct true if each candidate is drawn once at most, so that there may be fewer than `count`
   */
  drawAvailable(drawn: C[], count: number, distinct: boolean, context: PickContext): void {
    if (this.#isShared) {
      this.#drawOpen(drawn, count, distinct, context)
      return
    }
    const { except, reach } = context
    const available = this.#available
    available.excludeAll(except)
    while (drawn.length < count) {
      const totalWeight = available.totalWeight(reach)
      if (totalWeight === 0) break
      const candidate = this.list[available.indexAt(this.#random() * totalWeight, reach)] as C
      drawn.push(candidate)
      if (distinct) available.exclude(candidate.backend)
    }
    if (distinct) for (const { backend } of drawn) available.refresh(backend)
    available.refreshAll(except)
  }

  /** Returns the number of requests that a candidate is behind its share; negative where it is ahead. */
  deficitOf({ backend, stride }: C): number {
    return this.#scheduler.deficitOf(stride, backend.weight)
  }

  /** Chooses a candidate. Where threads share the pool, it is charged only by {@link counted}. */
  choose(candidate: C): Backend {
    if (this.#isShared) this.#chosen = candidate
    else this.#charge(candidate)
    return candidate.backend
  }

  /** Charges the candidate that was chosen last, because its request was counted. */
  counted(): void {
    if (this.#chosen) this.#charge(this.#chosen)
    this.#chosen = undefined
  }

  /** Draws like {@link drawAvailable}, from those that are open now. Looking at all of them is rarely needed. */
  #drawOpen(drawn: C[], count: number, distinct: boolean, { except, reach }: PickContext): void {
    const open = this.list.filter(({ backend }) => backend.takes(reach) && !except?.has(backend))
    let draw: WeightedDraw | undefined
    while (drawn.length < count && open.length > 0) {
      draw ??= new WeightedDraw(
        open.map(({ backend }) => backend),
        this.#random,
      )
      const i = draw.draw()
      drawn.push(open[i] as C)
      if (!distinct) continue
      open.splice(i, 1)
      draw = undefined
    }
  }

  /** Charges a candidate for a request that it is given. */
  #charge({ backend, stride }: C): void {
    this.#scheduler.charge(stride, backend.weight, this.#draw.totalWeight)
  }
}

function weightOf({ weight }: Backend): number {
  return weight
}
