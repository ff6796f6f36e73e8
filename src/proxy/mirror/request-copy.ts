import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { leaseAtOnce } from '../../balancer/at-once.js'
import { StoppedError } from '../../balancer/errors.js'
import type { Lease } from '../../balancer/leases/lease.js'
import { ProxyContext } from '../context.js'
import type { Downstream } from '../downstream-port.js'
import type { FieldLines } from '../http/fields.js'
import { type UpstreamResponse, WholeBody } from '../http/response.js'
import { CopiedBody } from './copied-body.js'
import type { MirrorOptions, MirrorOutcome } from './mirror-options.js'

/** The field by which a backend learns that a request is a copy. */
export const MIRROR_FIELD = 'x-leastwise-mirror'
/** Longest time from the sending of a copy to the end of its response. */
const COPY_TIMEOUT_MS = 60_000
/** Bytes of a response that are read, so that the connection can be used again. */
const MAX_RESPONSE_BYTES = 1024 * 1024

/** The client of all copies, which is not there. */
const NOBODY: Downstream = {
  inContext: (act, ...args) => act(...args),
  fail() {},
  flushHead() {},
  inform() {},
  break() {},
  trailers() {},
  switchProtocols: () => undefined,
}
/** Stands for the body of a copy, whose bytes are in memory. It is never read. */
const IN_MEMORY = Readable.from([])

type CopiedRequest = Pick<ProxyContext, 'requestId' | 'method' | 'path' | 'host' | 'fields'>

/** A copy of one request, from the beginning of the request to the end of the response to the copy. */
export class RequestCopy {
  readonly #options: MirrorOptions
  #body: CopiedBody | undefined
  /** All of the body; undefined until it has come, and where there is none. */
  #bytes: Buffer | undefined
  #held = 0
  #isComplete = true
  /** What is sent; undefined until the request itself was forwarded. */
  #request: CopiedRequest | undefined
  #cancelTimer = () => {}
  #isOver = false

  constructor(options: MirrorOptions) {
    this.#options = options
  }

  /** Takes a body that was read already. */
  hold(bytes: Buffer): void {
    const { maxBody, budget } = this.#options
    if (bytes.length > maxBody || !budget.hold(bytes.length)) {
      this.#end('dropped')
      return
    }
    this.#held = bytes.length
    this.#bytes = bytes
  }

  /** Collects the body while it is sent elsewhere. @returns a function that ends this early */
  collect(request: IncomingMessage): () => void {
    this.#isComplete = false
    const { maxBody: maxBytes, budget } = this.#options
    this.#body = new CopiedBody(request, {
      maxBytes,
      budget,
      onOver: (bytes) => {
        this.#isComplete = true
        this.#bytes = bytes
        if (bytes) this.#send()
        else this.#end('dropped')
      },
    })
    return this.#body.stop
  }

  /** Notes how the request was forwarded, and sends the copy once it is complete. */
  start({ requestId, method, path, host, fields }: ProxyContext): void {
    // A request that could not be forwarded has no fields.
    if (fields.length === 0) this.#end('dropped')
    else this.#request = { requestId, method, path, host, fields: [...fields] }
    this.#send()
  }

  #send(): void {
    if (!this.#request || !this.#isComplete || this.#isOver) return
    const { balancer, budget } = this.#options
    if (!budget.begin()) {
      this.#end('dropped')
      return
    }
    const lease = leaseAtOnce(balancer, { request: this.#request.requestId })
    if (lease) this.#forward(lease, this.#request)
    else {
      budget.end()
      this.#end('dropped')
    }
  }

  #forward(lease: Lease, request: CopiedRequest): void {
    const { balancer, forwarding, budget } = this.#options
    const { requestId, path, host, method, fields } = request
    const context = new ProxyContext(requestId, lease, balancer.policy, path, host, NOBODY)
    context.method = method
    context.fields = fieldsOfCopy(fields, this.#bytes)
    if (this.#bytes && this.#bytes.length > 0) {
      context.body = IN_MEMORY
      context.wholeBody = this.#bytes
    }
    const end = (outcome: MirrorOutcome) => {
      if (this.#isOver) return
      budget.end()
      this.#end(outcome)
    }
    this.#cancelTimer = balancer.clock.after(COPY_TIMEOUT_MS, () => {
      lease.cut(new StoppedError('a copy of a request took too long'))
    })
    forwarding.forward(context, (error, response) => {
      if (error || !response) end('failed')
      else drop(response, () => end('sent'))
    })
  }

  #end(outcome: MirrorOutcome): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#cancelTimer()
    this.#bytes = undefined
    this.#body?.free()
    this.#options.budget.free(this.#held)
    this.#options.count(outcome)
  }
}

/** Reads a response and forgets it. */
function drop({ body }: UpstreamResponse, onOver: () => void): void {
  if (body instanceof WholeBody) {
    onOver()
    return
  }
  const stream = body.stream()
  let length = 0
  stream.on('data', (chunk: Buffer) => {
    length += chunk.length
    if (length > MAX_RESPONSE_BYTES) stream.destroy()
  })
  stream.once('close', onOver)
}

/** The fields of a copy, whose body has come as a whole and has no trailers. */
function fieldsOfCopy(fields: FieldLines, bytes: Buffer | undefined): FieldLines {
  const lines: FieldLines = []
  let hasLength = false
  for (let i = 0; i < fields.length; i += 2) {
    const name = (fields[i] as string).toLowerCase()
    if (name === 'trailer') continue
    if (name === 'content-length') hasLength = true
    lines.push(fields[i] as string, fields[i + 1] as string)
  }
  if (bytes && bytes.length > 0 && !hasLength) lines.push('content-length', String(bytes.length))
  lines.push(MIRROR_FIELD, '1')
  return lines
}
