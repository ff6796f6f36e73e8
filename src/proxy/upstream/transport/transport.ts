import type { Socket } from 'node:net'
import type { ProxyContext } from '../../context.js'
import type { Headers } from '../../http/fields.js'

/** The part of a request that a client needs to send it. */
export type UpstreamRequest = Readonly<
  Pick<
    ProxyContext,
    | 'method'
    | 'path'
    | 'fields'
    | 'body'
    | 'source'
    | 'upgrade'
    | 'expectsContinue'
    | 'takesTrailers'
    | 'isTrailerDropped'
  >
>

/** Sends requests to a backend, one at a time. */
export interface Transport {
  /** Sends a request, and reports its progress to the listener. The Host among its fields is read now. */
  send(request: UpstreamRequest, listener: TransportListener): void
  /** Stops reading the response until `resume`. */
  pause(): void
  resume(): void
  /** Drops the request together with its connection. The listener is told no more. */
  abort(reason: Error): void
  /** The response has been read: the connection may serve another request. */
  done(): void
  /** Whether the connection had served a request before, so that the backend may have closed it meanwhile. */
  readonly reused: boolean
  /** Whether the backend does not read what it is sent. */
  readonly blocked: boolean
  /** Whether the backend's name is being looked up. The backend is not to blame for that time. */
  readonly lookingUp: boolean
  /** Whether the backend, which was asked without TLS, has sent nothing at all on this connection. */
  readonly silent: boolean
}

/** Receives the events of both clients. `onResponseEnd`, `onSwitched` or `onFailed` is the last one. */
export interface TransportListener {
  /** The backend's name had to be looked up, and the connection begins now. */
  onLookedUp(): void
  /** There is a connection, and the head of the request is on its way. */
  onStarted(): void
  /** The body is about to be read, and so can be sent to no other backend. */
  onBodyStarted(): void
  /** Called with the number of bytes of the body that were sent. */
  onBodySent(bytes: number): void
  /** All of the body was sent. */
  onBodyEnd(): void
  /** The backend takes no more of the body. */
  onBodyStopped(): void
  /** The head of an informational response, any number of times, or of the response. */
  onResponseHead(statusCode: number, headers: Headers, statusMessage: string): void
  onResponseData(chunk: Buffer): void
  onResponseEnd(trailers: Headers): void
  /** The backend answered 101. @param head what it has sent on the connection since */
  onSwitched(headers: Headers, socket: Socket, head: Buffer): void
  onFailed(error: Error): void
}

/** Whether nothing at all has come on a connection without TLS. */
export function isSilent(socket: Socket | undefined): boolean {
  return socket?.bytesRead === 0 && !('encrypted' in socket)
}
