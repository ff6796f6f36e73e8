import type { Readable } from 'node:stream'
import type { Lease } from '../balancer/leases/lease.js'
import type { Cause } from '../balancer/leases/outcome.js'
import type { Downstream } from './downstream-port.js'
import type { FieldLines } from './http/fields.js'
import type { ResponseHead } from './http/response.js'
import type { TrailerRule } from './http/trailers.js'

/** What hooks of an app may read of a proxied request, as `request.assignment`. */
export interface Assignment {
  /** The lease of the current attempt, or of the last one. */
  readonly lease: Lease
  /** The policy by which the backend was chosen. */
  readonly policy: string
  /** Attempts so far, the current one included. */
  readonly attempts: number
}

/** The part of the client's request from which a backend's request is completed while it is sent. */
export interface UploadSource {
  /** Whether the client has sent its whole body. */
  readonly complete: boolean
  readonly destroyed: boolean
  readonly rawTrailers: readonly string[]
}

/**
 * One proxied request, from its first lease to the end of its response. Each field is written by one part of the code,
 * named above the field, and all others only read it. Times are monotonic milliseconds.
 */
export class ProxyContext implements Assignment {
  // Set by downstream when the request has its first lease.

  /** The id that the log shows. */
  readonly requestId: string
  readonly policy: string
  /** When the first lease was taken. */
  readonly leasedAt: number
  /** Path and query for the backend, byte for byte; the path that reply-from passes on went through a URL parser. */
  readonly path: string
  readonly downstream: Downstream

  // Set by downstream after the hooks of the app and before a backend is asked.

  method = 'GET'
  /** The Host that the client named, or a hook of the app. */
  host: string | undefined
  /** Header fields for the backend. The first is Host, whose value the forwarder sets for each attempt. */
  fields: FieldLines = []
  body: Readable | undefined = undefined
  /** The client's request, where `body` is not its own body but one that a hook of the app made from it. */
  source: UploadSource | undefined = undefined
  /** The protocols of the Upgrade field, where the client wants to switch to one. */
  upgrade: string | undefined = undefined
  /** The client waits for 100 (Continue) before it sends the body. */
  expectsContinue = false
  /** Which trailers of the request's body are not passed on. */
  isTrailerDropped: TrailerRule | undefined = undefined
  /** The client's TE field says that it takes trailers. */
  takesTrailers = false

  // Set by downstream at the end.

  /** The client has its response, or has left: no further backend is asked. */
  isOver = false

  // Written by the forwarder: which backends are asked.

  /**
   * The lease of the current attempt, or of the last one; of two concurrent attempts, the lease of the one that
   * responded.
   */
  lease: Lease
  /** The lease of the hedge, while neither of the two attempts has had a response. */
  hedge: Lease | undefined = undefined
  /** Number of attempts. Downstream sets it to 0 where no backend was asked at all. */
  attempts = 1
  /** Removes the request from the queue; set while the request waits for a further lease. */
  leaveQueue: (() => void) | undefined = undefined
  /** Milliseconds that the request waited in the queue for further leases. */
  requeueTime = 0

  // Written by the attempt: how it goes.

  responseHead: ResponseHead | undefined = undefined
  /** When the head of the response came. */
  respondedAt: number | undefined = undefined
  /** When the last backend was done with the request. */
  endedAt: number | undefined = undefined
  /** Bytes of the request's body that were sent to a backend. */
  bytesIn = 0
  /** Bytes of the response's body that came. */
  bytesOut = 0
  /** The response is a stream of events, in which silence is no fault. */
  isQuiet = false
  /** Protocols were switched: the connection is a tunnel between client and backend. */
  isTunnel = false
  /** Why a response that had begun was not finished, where the client is not the reason. */
  responseError: Error | undefined = undefined
  /** Why the last failed attempt failed; another backend may have responded since. */
  cause: Cause | undefined = undefined

  constructor(
    requestId: string,
    lease: Lease,
    policy: string,
    path: string,
    host: string | undefined,
    downstream: Downstream,
  ) {
    this.requestId = requestId
    this.lease = lease
    this.policy = policy
    this.leasedAt = lease.acquiredAt
    this.path = path
    this.host = host
    this.downstream = downstream
  }
}

/** The context behind `request.assignment`. Apps see only the part that {@link Assignment} declares. */
export function contextOf(request: { assignment: Assignment | null | undefined }): ProxyContext | undefined {
  return (request.assignment as ProxyContext | null | undefined) ?? undefined
}
