import type { Backend } from '../backends/backend.js'
import type { Lease } from './lease.js'

/** The traits of a request that matter for the choice of its backend. */
export interface RequestTraits {
  /** Backends that must not be chosen, because the request failed on them before. */
  readonly except?: ReadonlySet<Backend> | undefined
  /**
   * True if the request can be sent to another backend after a failure, so that a failure loses nothing; true by
   * default.
   */
  readonly repeatable?: boolean | undefined
  /** True if the request asks for a switch of protocols, and so may hold its backend for long. */
  readonly upgrade?: boolean | undefined
  /** True if the request was given to another backend before, and failed there. */
  readonly again?: boolean | undefined
  /** A key that is the same for all requests that should reach the same backend; see `PickContext`. */
  readonly key?: string | undefined
  /** The code of the backend that the key belongs to as long as it is there; see `homeCodeOf`. */
  readonly home?: number | undefined
  /** True if the backend of the key is not passed over for its load, because a session would end. */
  readonly pinned?: boolean | undefined
  /** The id of the request in {@link Decision}s. */
  readonly request?: string | undefined
}

/** The part of a request's traits that tells to which backend it belongs. */
export type KeyTraits = Pick<RequestTraits, 'key' | 'home' | 'pinned'>

/** A request for a lease. Either `onLease` or `onReject` is called, and only once. */
export interface LeaseRequest extends RequestTraits {
  /** Monotonic milliseconds at which the request began to wait; set by the queue if the request has to wait. */
  queuedAt?: number | undefined
  onLease(lease: Lease): void
  onReject(error: Error): void
}

/** Gives a request its lease. If `onLease` throws, the lease is cut, because nobody else would release it. */
export function deliver(request: LeaseRequest, lease: Lease): void {
  try {
    request.onLease(lease)
  } catch (error) {
    lease.cut(error as Error)
    throw error
  }
}

/** The source of the queue's leases. */
export interface LeaseSource {
  /**
   * Takes a lease for a request; undefined where no backend can be chosen.
   * @param patient true if the request can wait, so that backends which should get no request for now are not used
   * @param since monotonic milliseconds at which the request began to wait
   */
  choose(request: RequestTraits, patient: boolean, since: number): Lease | undefined
  /** True if {@link choose} might find a lease for some request. */
  readonly hasCandidates: boolean
  /** Returns true if there is a backend, not in `except`, that the request can wait for. */
  hasOther(except: ReadonlySet<Backend> | undefined): boolean
}
