import { type IncomingMessage, request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import type { CheckResult } from '../balancer/backend.js'
import type { Probe } from '../balancer/checks.js'
import type { Clock } from '../balancer/clock.js'
import { addressOf } from './connections.js'
import { Deadline } from './deadline.js'
import { lackOf } from './own-lack.js'
import { statusesOf } from './status-ranges.js'

export interface HealthProbeOptions {
  /** Path and query that are asked for. */
  path: string
  /** Milliseconds that a check may take, from the connection to the last byte. */
  timeout: number
  /** Statuses that pass, as {@link statusesOf} reads them. */
  status: string
  clock: Clock
  /** Told of what checks fail with. */
  onFailed(error: Error): void
}

/** Bytes of an answer's head that a check takes. */
const LARGEST_HEAD = 1024 * 1024

/** Bytes of an answer that are read, so that the connection ends well; more is nobody's business. */
const ENOUGH = 64 * 1024

/**
 * A GET on a connection of its own, as whoever connects anew would find the backend. Redirects are not
 * followed. The status decides; the body is read, within time and reason, only to end the connection gently.
 */
export function healthProbe({ path, timeout, status, clock, onFailed }: HealthProbeOptions): Probe {
  const passes = statusesOf(status)
  return (backend, done) => {
    const { secure, ...address } = addressOf(backend)
    let result: Omit<CheckResult, 'at'> | undefined
    let over = false
    const request = (secure ? tlsRequest : plainRequest)({
      ...address,
      path,
      headers: { host: backend.host, 'user-agent': 'leastwise', accept: '*/*', connection: 'close' },
      agent: false,
      // Node would refuse the head of an answer with a few large cookies.
      maxHeaderSize: LARGEST_HEAD,
    })
    const finish = (otherwise: string) => {
      if (over) return
      over = true
      deadline.clear()
      done({ at: clock.date(), ...(result ?? { passed: false, answered: false, detail: otherwise }) })
    }
    /** What the gateway itself lacks says nothing about the backend. */
    const giveUp = () => {
      if (over) return
      over = true
      deadline.clear()
      done(undefined)
    }
    const deadline = new Deadline(clock, () => {
      finish('timed out')
      request.destroy()
    })
    deadline.set(timeout)
    request.on('response', (response: IncomingMessage) => {
      const { statusCode = 0 } = response
      const passed = passes(statusCode)
      result = { passed, answered: true, detail: `status ${statusCode}` }
      let length = 0
      response.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length > ENOUGH) request.destroy()
      })
      response.on('error', () => {})
    })
    // An upgrade that nobody asked for.
    request.on('upgrade', (_response, socket) => socket.destroy())
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (!over) onFailed(error)
      if (lackOf(error)) giveUp()
      else finish(error.code ?? error.message)
    })
    request.on('close', () => finish('no answer'))
    request.end()
    return () => {
      over = true
      deadline.clear()
      request.destroy()
    }
  }
}
