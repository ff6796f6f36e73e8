import type { Balancer } from '../../balancer/balancer.js'

/** Most copies in flight at a time, for one pool in one thread. */
export const MAX_COPIES = 256
/** Most bytes of bodies that are held for copies, for one pool in one thread. */
export const MAX_COPIED_BYTES = 32 * 1024 * 1024

const budgets = new WeakMap<Balancer, CopyBudget>()

/** The budget of copies for a pool in this thread. It outlives a configuration, as the copies do. */
export function copyBudgetOf(balancer: Balancer): CopyBudget {
  let budget = budgets.get(balancer)
  if (!budget) {
    budget = new CopyBudget()
    budgets.set(balancer, budget)
  }
  return budget
}

/** What copies of requests for one pool may use. */
export class CopyBudget {
  /** Copies in flight. */
  copies = 0
  /** Bytes of bodies that are held for copies, those that are being sent included. */
  bytes = 0

  /** Returns false if there are too many copies in flight; otherwise counts another one. */
  begin(): boolean {
    if (this.copies >= MAX_COPIES) return false
    this.copies++
    return true
  }

  end(): void {
    this.copies--
  }

  /** Returns false if too many bytes are held already; otherwise counts these. */
  hold(bytes: number): boolean {
    if (this.bytes + bytes > MAX_COPIED_BYTES) return false
    this.bytes += bytes
    return true
  }

  free(bytes: number): void {
    this.bytes -= bytes
  }
}
