import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import type { Cause, Lease } from '../balancer/leases/lease.js'
import type { FieldLines, Headers } from './http/fields.js'
import type { TrailerRule } from './http/trailers.js'

/**
 * What a request was assigned to, and what a backend has to know of it beyond what reply-from hands on. It
 * lives as long as the request, over all its attempts.
 */
export interface ProxyContext {
  /** The lease of the present attempt, or of the last one; of two at once that of the one which answered. */
  lease: Lease
  /** The lease of a second attempt, while neither has answered. */
  hedge?: Lease | undefined
  /** The client left: nobody is to be asked any more. */
  abandoned?: boolean
  /** Set while it waits for another try: leaves the queue. */
  leaveQueue?: (() => void) | undefined
  /** The request's id, as the log has it. */
  request: string
  /** Tries so far, this one included. */
  attempts: number
  /** The policy by which the backend was chosen. */
  policy: string
  /** When it got its first lease, in monotonic milliseconds, as all times here. */
  leasedAt: number
  /** Milliseconds that it waited in the queue for further leases. */
  waitedAgain: number
  /** When the head of the answer came. */
  respondedAt: number | undefined
  /** When the backend that has it now, or had it last, was done. */
  endedAt: number | undefined
  /** Bytes of the request's body that a backend was sent. */
  bytesIn: number
  /** Bytes of the answer's body that came. */
  bytesOut: number
  /** Why the answer that had begun will not be finished; it is not the client's doing. */
  broken: Error | undefined
  /** Why the last backend that failed it did; another one may have answered since. */
  cause: Cause | undefined
  /** Path and query for the backend, byte for byte; reply-from's own has been through a URL parser. */
  path: string
  /** The Host that the client named, if it did. */
  host: string | undefined
  /** The header fields for the backend; the first is Host, which each attempt says anew. */
  fields: FieldLines
  /** The request's body, where it has one. */
  body?: Readable | undefined
  /** The request that the client sends, where its body is not what it sends, but what a hook of the app made of that. */
  source?: UploadSource
  /** The protocol that the client wants to switch to, as its Upgrade field has it. */
  upgrade?: string
  /** The client waits for 100 (Continue) before it sends the body. */
  expectsContinue?: boolean
  /** Which trailers of the body are not passed on. */
  isTrailerLeftOut?: TrailerRule
  /** The client takes trailers: its TE field says so. */
  takesTrailers?: boolean
  /** Whoever waits for the answer. */
  downstream: Downstream
  /** The head of the backend's answer. */
  responseHead?: ResponseHead
  /** The answer is a stream that may be silent for as long as it likes. */
  quiet?: boolean
  /** The connection is a tunnel now, between the client and the backend. */
  switched?: boolean
}

/** What a client sends. */
export interface UploadSource {
  /** Whether the client has sent its whole body. */
  readonly complete: boolean
  readonly destroyed: boolean
  readonly rawTrailers: readonly string[]
}

/** What of a client's side the backend's side has to reach past reply-from, which knows only whole answers. */
export interface Downstream {
  /** There will be no answer. */
  fail(error: Error): void
  /** The answer's head is ready to be sent, and no byte of its body has come yet. */
  flushHead(): void
  /** Passes on an informational answer, 1xx. */
  inform(statusCode: number, headers: Headers): void
  /** The answer will not be finished, and must not look as if it were. */
  break(): void
  /** Trailers of the answer, before its end. */
  trailers(fields: Headers): void
  /** Answers 101; returns the bare connection, and what it had sent already, or undefined where it is gone. */
  switchProtocols(headers: Headers): { socket: Socket; head: Buffer } | undefined
}

/** The head of a backend's answer. */
export interface ResponseHead {
  statusCode: number
  statusMessage: string
  headers: Headers
  /** Its Connection field, which is about its trailers, too. */
  connection: string | string[] | undefined
}

export interface UpstreamResponse {
  statusCode: number
  headers: Headers
  body: Readable | WholeBody
}

/** The body of an answer that came whole, with its head: most are, and a stream costs more than all of it. */
export class WholeBody {
  readonly bytes: Buffer

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** The same as a stream. */
  stream(): Readable {
    return Readable.from([this.bytes], { objectMode: false })
  }

  /** As a stream has it; there is nothing left to be stopped. */
  destroy(): void {}
}

/** Takes a request's answer, or the error that there is instead. */
export type ResponseCallback = (error: Error | null, answer?: UpstreamResponse) => void
