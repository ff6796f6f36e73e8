import type { Backend } from '../../backends/backend.js'
import type { PickContext } from '../policies/policy.js'
import { AvailableBackends } from './available-backends.js'
import { type Stride, StrideScheduler } from './stride.js'
import { WeightedDraw } from './weighted-draw.js'

/** A backend that can be drawn, and what it has had of its share. */
export interface RandomCandidate {
  readonly backend: Backend
  readonly stride: Stride
}

/** The backends that a policy draws from at random, by weight, and how far each is behind its share. */
export class RandomCandidates<C extends RandomCandidate> {
  /** In the order of the eligible backends. */
  list: readonly C[] = []
  readonly #random: () => number
  readonly #make: (backend: Backend, stride: Stride) => C
  readonly #scheduler = new StrideScheduler()
  #draw: WeightedDraw
  #available = new AvailableBackends([], weightOf)

  /** @param make makes the candidate for a new backend */
  constructor(random: () => number, make: (backend: Backend, stride: Stride) => C) {
    this.#random = random
    this.#make = make
    this.#draw = new WeightedDraw([], random)
  }

  /** @param initialDeficit the part of a request, from 0 to 1, that a new backend begins behind its share */
  update(eligible: readonly Backend[], initialDeficit: () => number): void {
    const known = new Map(this.list.map((candidate) => [candidate.backend, candidate]))
    this.list = eligible.map(
      (backend) =>
        known.get(backend) ?? this.#make(backend, this.#scheduler.join(backend.weight, initialDeficit())),
    )
    this.#draw = new WeightedDraw(eligible, this.#random)
    this.#available = new AvailableBackends(eligible, weightOf)
  }

  /** The load of a backend changed. */
  changed(backend: Backend): void {
    if (backend.hasLimit) this.#available.refresh(backend)
  }

  /** The tier of a backend changed. */
  retiered(backend: Backend): void {
    this.#available.refresh(backend)
  }

  /** The index of a backend, whether it can take a request or not. There must be one. */
  draw(): number {
    return this.#draw.draw()
  }

  /** The index of another one than that at `first`. There must be one. */
  drawOther(first: number): number {
    return this.#draw.drawOther(first)
  }

  /**
   * Draws candidates that can take a request.
   * @param drawn an array to put them in, empty
   * @param count how many; none where no candidate can take one
   * @param distinct whether each is drawn once at most, so that there may be fewer
   */
  drawAvailable(drawn: C[], count: number, distinct: boolean, { except, reach }: PickContext): void {
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

  /** How many requests a candidate is behind its share; negative where it is ahead. */
  deficitOf({ backend, stride }: C): number {
    return this.#scheduler.deficitOf(stride, backend.weight)
  }

  /** Charges a candidate for a request that it gets. */
  charge({ backend, stride }: C): void {
    this.#scheduler.charge(stride, backend.weight, this.#draw.totalWeight)
  }
}

function weightOf({ weight }: Backend): number {
  return weight
}
