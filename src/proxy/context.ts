import type { Readable } from 'node:stream'
import type { Lease } from '../balancer/leases/lease.js'
import type { KeyTraits } from '../balancer/leases/lease-request.js'
import type { Cause } from '../balancer/leases/outcome.js'
import type { Downstream } from './downstream-port.js'
import type { FieldLines } from './http/fields.js'
import type { ResponseHead } from './http/response.js'
import type { TrailerRule } from './http/trailers.js'

/** The part of a proxied request's state that hooks of an app may read, as `request.assignment`. */
export interface Assignment {
  /** The lease of the current attempt, or of the last attempt if none is under way. */
  readonly lease: Lease
  /** The policy by which the backend was chosen. */
  readonly policy: string
  /** Number of attempts so far, the current one included. */
  readonly attempts: number
}

/** The state and the trailers of the client's request, which are read while the request to a backend is being sent. */
export interface UploadSource {
  /** True if the client has sent its whole body. */
  readonly complete: boolean
  readonly destroyed: boolean
  readonly rawTrailers: readonly string[]
}

/**
 * One proxied request, from its first lease to the end of its response. Each field is written by one part of the code,
 * which the comment above a group of fields names; all other parts only read the field. Times are monotonic
 * milliseconds.
 */
export class ProxyContext implements Assignment {
  // Set by downstream when the request has its first lease.

  /** The id of the request, as the log shows it. */
  readonly requestId: string
  readonly policy: string
  /** Time at which the first lease was taken, in monotonic milliseconds. */
  readonly leasedAt: number
  /**
   * Path and query for the backend, byte for byte. The path that reply-from passes on is not used, because it went
   * through a URL parser.
   */
  readonly path: string
  readonly downstream: Downstream
  /** The key by which the backend was chosen; undefined where the request has none. */
  readonly clientKey: KeyTraits | undefined

  // Set by downstream after the hooks of the app and before a backend is asked.

  method = 'GET'
  /** The Host that the client sent, or that a hook of the app set. */
  host: string | undefined
  /**
   * Header fields for the backend, as names and values in turn. The first field is Host, whose value the forwarder sets
   * for each attempt.
   */
  fields: FieldLines = []
  body: Readable | undefined = undefined
  /** Largest size of the body in bytes; 0 for no limit. */
  maxBody = 0
  /**
   * The bytes of the whole body, if they are in memory, so that the body can be sent more than once. They are set by
   * downstream, or by the transport before it sends them, and dropped by the forwarder when a response has come.
   */
  wholeBody: Buffer | undefined = undefined
  /**
   * The client's request, set only if `body` is not the client's own body but a stream that a hook of the app made from
   * it.
   */
  source: UploadSource | undefined = undefined
  /** The value of the Upgrade field: the protocols that the client wants to switch to; undefined if there are none. */
  upgrade: string | undefined = undefined
  /** True if the client waits for 100 (Continue) before it sends the body. */
  expectsContinue = false
  /** Decides which trailers of the request's body are not passed on. */
  isTrailerDropped: TrailerRule | undefined = undefined
  /** True if the client's TE field says that the client takes trailers. */
  takesTrailers = false

  // Set by downstream at the end.

  /** True if the client has its response or has left, so that no further backend is asked. */
  isOver = false

  // Written by the forwarder, which decides which backends are asked.

  /**
   * The lease of the current attempt, or of the last attempt if none is under way. Once one of two concurrent attempts
   * has responded, this is the lease of that attempt.
   */
  lease: Lease
  /** The lease of the hedge, as long as neither of the two attempts has had a response. */
  hedge: Lease | undefined = undefined
  /** Number of attempts. Downstream sets this field to 0 if no backend was asked at all. */
  attempts = 1
  /** Removes the request from the queue. The function is set only while the request waits for a further lease. */
  leaveQueue: (() => void) | undefined = undefined
  /** Milliseconds that the request waited in the queue for leases after its first one. */
  requeueTime = 0

  // Written by the attempt, which reports its progress here.

  responseHead: ResponseHead | undefined = undefined
  /** Time at which the head of the response came, in monotonic milliseconds. */
  respondedAt: number | undefined = undefined
  /** Time at which the last backend was done with the request, in monotonic milliseconds. */
  endedAt: number | undefined = undefined
  /** Bytes of the request's body that were sent to a backend. */
  bytesIn = 0
  /** Bytes of the response's body that came from a backend. */
  bytesOut = 0
  /** True if the response is a stream of events, in which silence is no fault. */
  isQuiet = false
  /** True if protocols were switched, so that the connection is a tunnel between client and backend. */
  isTunnel = false
  /** The error that ended a response before it was complete; undefined if the client was the reason. */
  responseError: Error | undefined = undefined
  /** The reason why the last failed attempt failed; another backend may have responded since. */
  cause: Cause | undefined = undefined

  constructor(
    requestId: string,
    lease: Lease,
    policy: string,
    path: string,
    host: string | undefined,
    downstream: Downstream,
    clientKey?: KeyTraits,
  ) {
    this.requestId = requestId
    this.lease = lease
    this.policy = policy
    this.leasedAt = lease.acquiredAt
    this.path = path
    this.host = host
    this.downstream = downstream
    this.clientKey = clientKey
  }
}

/** Returns the context behind `request.assignment`. Apps see only the part that {@link Assignment} declares. */
export function contextOf(request: { assignment: Assignment | null | undefined }): ProxyContext | undefined {
  return (request.assignment as ProxyContext | null | undefined) ?? undefined
}
