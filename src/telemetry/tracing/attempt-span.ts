import type { Span } from '@opentelemetry/api'
import { ClientGoneError } from '../../balancer/errors.js'
import type { Lease } from '../../balancer/leases/lease.js'
import type { TracedRequest } from '../../proxy/http/request-trace.js'
import { diagnose } from '../../proxy/upstream/failures/diagnosis.js'
import { RejectedResponseError, SupersededError } from '../../proxy/upstream/failures/failures.js'
import type { TracingApi } from './tracing-api.js'

/** The span of one attempt: one request to one backend, until the backend's last byte. */
export class AttemptSpan {
  readonly #span: Span
  readonly #api: TracingApi
  readonly #request: TracedRequest
  readonly #lease: Lease

  constructor(span: Span, api: TracingApi, request: TracedRequest, lease: Lease) {
    this.#span = span
    this.#api = api
    this.#request = request
    this.#lease = lease
  }

  /** Ends the span. @param error why there is no complete response; undefined if there is one */
  end(error: Error | undefined): void {
    if (this.#span.isRecording()) this.#describe(error)
    this.#span.end()
  }

  #describe(error: Error | undefined): void {
    const span = this.#span
    const statusCode = statusOf(this.#request, this.#lease, error)
    if (statusCode !== undefined) span.setAttribute('http.response.status_code', statusCode)
    const isRefusal = statusCode !== undefined && statusCode >= 400
    if (error instanceof SupersededError) {
      span.setAttribute('leastwise.cancelled', 'hedge_lost')
    } else if (error instanceof ClientGoneError) {
      span.setAttribute('leastwise.cancelled', 'client_gone')
    } else if (error && !(error instanceof RejectedResponseError)) {
      const { code, text } = diagnose(error)
      this.#fail(code, text)
      return
    }
    if (isRefusal) this.#fail(String(statusCode))
  }

  #fail(type: string, message?: string): void {
    this.#span.setAttribute('error.type', type)
    this.#span.setStatus({ code: this.#api.SpanStatusCode.ERROR, ...(message !== undefined && { message }) })
  }
}

/** The status of the response that the attempt got; undefined where it got none. */
function statusOf(
  { lease, responseHead, isTunnel }: TracedRequest,
  own: Lease,
  error: Error | undefined,
): number | undefined {
  if (error instanceof RejectedResponseError) return error.statusCode
  if (lease !== own) return undefined
  return isTunnel ? 101 : responseHead?.statusCode
}
