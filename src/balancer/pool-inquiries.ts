import type { Decision, DecisionFilter, TimedDecision } from './explain/decision.js'
import { DECISIONS_KEPT } from './explain/decision-log.js'
import { type Explanation, explain, type Inquiry } from './explain/explanation.js'
import type { FleetStatus } from './fleet/fleet-status.js'
import type { PoolParts } from './pool-parts.js'
import type { PoolView } from './pool-view.js'
import { refusalsOf } from './stats/refusals.js'

/** Answers questions about the choices of a pool: for this thread, or for all threads that share the pool. */
export class PoolInquiries {
  readonly #parts: PoolParts
  readonly #isStopped: () => boolean

  /** @param isStopped returns true if the pool gives no lease any more */
  constructor(parts: PoolParts, isStopped: () => boolean) {
    this.#parts = parts
    this.#isStopped = isStopped
  }

  view(closing: boolean, fleet?: FleetStatus): PoolView {
    const { registry, selection, queue, hedging, memory } = this.#parts
    return {
      policy: selection.selector.name,
      backends: registry.size,
      eligible: registry.eligible.length,
      panic: registry.panicking,
      inFlight: registry.inFlight,
      queue: { length: queue.length, limit: queue.limit },
      requests: memory.counted('requests'),
      retries: memory.counted('retries'),
      hedges: hedging.sent,
      refused: refusalsOf(memory),
      closing,
      ...(fleet && { store: fleet.store() }),
    }
  }

  explain(inquiry: Inquiry): Explanation {
    const { selection, registry, queue } = this.#parts
    const stopped = this.#isStopped()
    const patient = inquiry.waits !== false && !queue.isFull
    return explain(inquiry, {
      ...this.#parts,
      preview: selection.preview(inquiry, patient),
      policy: selection.selector.name,
      stopped,
      hasOther: !stopped && registry.hasOther(inquiry.except),
    })
  }

  decisions(filter?: DecisionFilter): Decision[] {
    return this.#parts.decisions.list(filter)
  }

  /** Returns this thread's latest decisions for another thread, which gives them their dates. */
  timedDecisions(filter: DecisionFilter): TimedDecision[] {
    return this.#parts.decisions.timed(filter)
  }

  async everyDecision(filter: DecisionFilter = {}): Promise<Decision[]> {
    const { workers, decisions } = this.#parts
    if (!workers) return this.decisions(filter)
    const found = await workers.ask((worker) => worker.decisions(filter))
    // Sorting keeps the order of decisions that a worker made at the same time.
    const merged = found.flat().sort((a, b) => b.madeAt - a.madeAt)
    return decisions.dated(merged.slice(0, filter.limit ?? DECISIONS_KEPT))
  }

  /** Asks one worker after the other until one answers. This thread answers where there is none. */
  async explainNext(inquiry: Inquiry): Promise<Explanation> {
    const { workers } = this.#parts
    if (!workers) return this.explain(inquiry)
    for (const worker of workers.list) {
      const [explanation] = await workers.ask((one) => one.explain(inquiry), [worker])
      if (explanation) return explanation
    }
    return this.explain(inquiry)
  }
}
