import type { Backend } from '../backends/backend.js'
import type { Lease } from './lease.js'

/** The traits of a request that matter for the choice of a backend. */
export interface RequestTraits {
  /** Backends that are not to be chosen: those on which it failed before. */
  readonly except?: ReadonlySet<Backend> | undefined
  /** Whether nothing is lost if its backend fails it, as it can be sent to another: true where it is left out. */
  readonly repeatable?: boolean | undefined
  /** Whether it asks for another protocol, and may hold its backend for long. */
  readonly upgrade?: boolean | undefined
  /** Whether it was given to a backend before, which failed it. */
  readonly again?: boolean | undefined
  /** What it has in common with requests that should reach the same backend; see `PickContext`. */
  readonly key?: string | undefined
  /** Under which id it stands in {@link Decision}s. */
  readonly request?: string | undefined
}

/** A request for a lease. Either `onLease` or `onReject` is called, once. */
export interface LeaseRequest extends RequestTraits {
  /** Set by the queue where it has to wait: since when, in monotonic milliseconds. */
  queuedAt?: number | undefined
  onLease(lease: Lease): void
  onReject(error: Error): void
}

/**
 * Gives a request its lease. Where the callback throws, the lease is taken back, because it would never be released
 * otherwise.
 */
export function deliver(request: LeaseRequest, lease: Lease): void {
  try {
    request.onLease(lease)
  } catch (error) {
    lease.cut(error as Error)
    throw error
  }
}

/** The source from which the queue gets leases. */
export interface LeaseSource {
  /**
   * Takes a lease for a request, if there is one to take.
   * @param patient whether it can wait, so that backends which should get no request for now are not used
   * @param since when it began to wait, in monotonic milliseconds
   */
  choose(request: RequestTraits, patient: boolean, since: number): Lease | undefined
  /** Whether there is anything that {@link choose} might find for some request. */
  readonly hasCandidates: boolean
  /** Whether there is any backend to wait for, but for some. */
  hasOther(except: ReadonlySet<Backend> | undefined): boolean
}
