import type { Socket } from 'node:net'
import type { ProxyContext } from '../../context.js'
import type { Headers } from '../../http/fields.js'

/** The part of a request that an HTTP client needs to send it. */
export type UpstreamRequest = Readonly<
  Pick<
    ProxyContext,
    | 'method'
    | 'path'
    | 'fields'
    | 'body'
    | 'maxBody'
    | 'source'
    | 'upgrade'
    | 'expectsContinue'
    | 'takesTrailers'
    | 'isTrailerDropped'
  >
> &
  // The transport keeps a small body that it has read, so that the request can be sent again on another connection.
  Pick<ProxyContext, 'wholeBody'>

/** Sends requests to a backend, one request at a time. */
export interface Transport {
  /**
   * Sends a request, and reports its progress to the listener. The Host among the request's fields is read during this
   * call.
   */
  send(request: UpstreamRequest, listener: TransportListener): void
  /** Stops reading the response until `resume` is called. */
  pause(): void
  resume(): void
  /** Drops the request together with its connection. The listener is not called any more. */
  abort(): void
  /**
   * True if the connection had served a request before, so that the backend may have closed the connection meanwhile.
   */
  readonly reused: boolean
  /** True if the backend does not read the bytes that it is sent. */
  readonly blocked: boolean
  /** True while the backend's name is being looked up. The backend is not to blame for that time. */
  readonly lookingUp: boolean
  /** True if the connection does not use TLS and the backend has sent nothing at all on it. */
  readonly silent: boolean
}

/**
 * Receives the events of a request. `onResponseEnd`, `onSwitched` or `onFailed` is the last one; the transport may serve
 * another request by then.
 */
export interface TransportListener {
  /** Called when the backend's name had to be looked up, and the connection begins only now. */
  onLookedUp(): void
  /** Called when there is a connection and the head of the request is being sent. */
  onStarted(): void
  /** Called when the request's body is about to be read. It is not called for a body that was in memory before. */
  onBodyStarted(): void
  /** Called with the number of bytes of the request's body that were sent. */
  onBodySent(bytes: number): void
  /** Called when all of the request's body was sent. */
  onBodyEnd(): void
  /** Called when the backend takes no more of the request's body. */
  onBodyStopped(): void
  /** Called with the head of each informational response (1xx), and with the head of the response. */
  onResponseHead(statusCode: number, headers: Headers, statusMessage: string): void
  onResponseData(chunk: Buffer): void
  /** Called when everything that came together has been reported, and the response has not ended. */
  onReadEnd(): void
  onResponseEnd(trailers: Headers): void
  /**
   * Called when the backend has responded with 101.
   * @param head bytes that the backend has sent on the connection since
   */
  onSwitched(headers: Headers, socket: Socket, head: Buffer): void
  onFailed(error: Error): void
}
