import { type IncomingMessage, request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import type { Backend, CheckResult } from '../../../balancer/backends/backend.js'
import type { Probe } from '../../../balancer/health/checks.js'
import type { Clock } from '../../../balancer/time/clock.js'
import { statusesOf } from '../../http/status-ranges.js'
import { Deadline } from '../deadline.js'
import { type HostLookup, hostLookup, systemNames } from '../dns/host-lookup.js'
import type { NameLookup } from '../dns/name-lookup.js'
import { UnresolvedError } from '../dns/unresolved-error.js'
import { exhaustionOf } from '../failures/exhaustion.js'
import { addressOf } from '../transport/address.js'
import type { CheckHosts } from './check-hosts.js'

export interface HealthProbeOptions {
  /** Path and query that are asked for. */
  path: string
  /** Port that is asked of backends that do not say themselves; 0 for that of their requests. */
  port: number
  /** Which Host is said. */
  hosts: CheckHosts
  /** Milliseconds that a check may take, from the connection to the last byte. */
  timeout: number
  /** Statuses that pass, as {@link statusesOf} reads them. */
  status: string
  clock: Clock
  /** What is known of backends' names; by default what the system says. */
  names?: NameLookup
  /** Told of what checks fail with. */
  onFailed(error: Error): void
}

/** What one request found. */
interface Finding extends Omit<CheckResult, 'at'> {
  /** Whether there was a connection, so that the Host was sent and may be the reason. */
  said: boolean
  late: boolean
}

/** Largest head of an answer that a check takes. */
const MAX_HEAD_BYTES = 1024 * 1024

/** Bytes of an answer that are read, so that the connection ends well; more is nobody's business. */
const MAX_BODY_BYTES = 64 * 1024

/**
 * A GET on a connection of its own, as whoever connects anew would find the backend. Redirects are not
 * followed. The status decides; the body is read, within time and reason, only to end the connection gently.
 */
export function healthProbe(options: HealthProbeOptions): Probe {
  const { hosts, port, clock, names = systemNames } = options
  const passes = statusesOf(options.status)
  return (backend, done) => {
    const healthPort = backend.healthPort ?? port
    const own = ownHost(backend, healthPort)
    const lookup = hostLookup(names, addressOf(backend).host)
    const left = hosts.of(backend, own)
    /** The result where no Host passes: that with the backend's own address, or else with the last Host. */
    let told: Finding | undefined
    let cancel = () => {}
    const next = () => {
      const host = left.shift() as string
      cancel = ask(backend, host, healthPort, lookup, options, passes, (found) => {
        if (!found) return done(undefined)
        if (host === own || left.length === 0) told ??= found
        // No Host makes a difference where there is no connection.
        if (!found.said) left.length = 0
        // After a Host that was not answered in time only the backend's own is tried: each further one would take as long.
        if (found.late) left.splice(0, left.length, ...left.filter((other) => other === own))
        if (found.passed) hosts.passed(backend, host)
        if (!found.passed && left.length > 0) return next()
        const { passed, answered, detail } = found.passed ? found : (told ?? found)
        done({ at: clock.date(), passed, answered, detail })
      })
    }
    const begin = (error?: Error) => {
      // That a name cannot be resolved for now says nothing about its backend; that there is no such name does.
      if (!error) next()
      else if (error instanceof UnresolvedError && error.isFinal) {
        done({ at: clock.date(), passed: false, answered: false, detail: error.code })
      } else done(undefined)
    }
    // How long that takes is not the backend's business.
    if (lookup) cancel = lookup.wait(begin) ?? cancel
    else begin()
    return () => cancel()
  }
}

/** A backend's address, as a Host field names it. */
function ownHost({ host }: Backend, port: number): string {
  return port === 0 ? host : `${host.replace(/:\d+$/, '')}:${port}`
}

/**
 * Sends one request.
 * @param done called with undefined where the gateway itself lacks something, which says nothing about the backend
 * @returns gives it up
 */
function ask(
  backend: Backend,
  host: string,
  port: number,
  lookup: HostLookup | undefined,
  { path, timeout, clock, onFailed }: HealthProbeOptions,
  passes: (status: number) => boolean,
  done: (found: Finding | undefined) => void,
): () => void {
  const { secure, ...address } = addressOf(backend)
  let found: Omit<Finding, 'said' | 'late'> | undefined
  let said = false
  let over = false
  const request = (secure ? tlsRequest : plainRequest)({
    ...address,
    ...(port !== 0 && { port }),
    ...(lookup && { lookup: lookup.lookup }),
    path,
    headers: { host, 'user-agent': 'leastwise', accept: '*/*', connection: 'close' },
    agent: false,
    // Node would refuse the head of an answer with a few large cookies.
    maxHeaderSize: MAX_HEAD_BYTES,
  })
  const end = (result: Finding | undefined) => {
    if (over) return
    over = true
    deadline.clear()
    done(result)
  }
  const finish = (otherwise: string, late = false) =>
    end({ ...(found ?? { passed: false, answered: false, detail: otherwise }), said, late })
  const deadline = new Deadline(clock, () => {
    finish('timed out', true)
    request.destroy()
  })
  deadline.set(timeout)
  request.once('socket', (socket) => {
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      said = true
    })
  })
  request.on('response', (response: IncomingMessage) => {
    const { statusCode = 0 } = response
    found = { passed: passes(statusCode), answered: true, detail: `status ${statusCode}` }
    let length = 0
    response.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > MAX_BODY_BYTES) request.destroy()
    })
    response.on('error', () => {})
  })
  // An upgrade that nobody asked for.
  request.on('upgrade', (_response, socket) => socket.destroy())
  request.on('error', (error: NodeJS.ErrnoException) => {
    if (over) return
    onFailed(error)
    // The backend may have another address now.
    if (!said) lookup?.doubt()
    if (exhaustionOf(error)) end(undefined)
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
