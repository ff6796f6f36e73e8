import { type IncomingMessage, request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import type { Backend } from '../../../balancer/backends/backend.js'
import type { CheckResult } from '../../../balancer/backends/backend-view.js'
import type { SendCheck } from '../../../balancer/health/checks.js'
import type { Clock } from '../../../balancer/time/clock.js'
import { type Statuses, statusesOf } from '../../http/status-ranges.js'
import { Deadline } from '../deadline.js'
import { type HostLookup, hostLookup, systemNames } from '../dns/host-lookup.js'
import type { NameLookup } from '../dns/name-lookup.js'
import { UnresolvedError } from '../dns/unresolved-error.js'
import { exhaustionOf } from '../failures/exhaustion.js'
import { defaultTlsOptionsOf, type TlsOptionsOf } from '../tls/upstream-tls.js'
import { addressOf } from '../transport/address.js'
import type { CheckHosts } from './check-hosts.js'

export interface HealthProbeOptions {
  /** Path and query of the checks. */
  path: string
  /**
   * Port of health checks for backends that have no health port of their own; 0 for the port of requests. It does not
   * apply to Unix sockets.
   */
  port: number
  hosts: CheckHosts
  /** Milliseconds that one request may take, from the connection to the last byte. */
  timeout: number
  /** Statuses of responses with which a check passes, as {@link statusesOf} reads them. */
  status: string
  clock: Clock
  /** Looks up the names of backends. By default all pools of this process share one such object. */
  names?: NameLookup
  /** Returns the options for TLS with a backend. By default those of Node apply, without any setting of a pool. */
  tlsOptionsOf?: TlsOptionsOf
  /** Called with the error of each check that failed. */
  onFailed(error: Error): void
}

/** The result of one request of a check. */
interface RequestResult extends Omit<CheckResult, 'at'> {
  /** True if a connection was made, so that the Host was sent and may be the reason for the result. */
  isConnected: boolean
  isTimeout: boolean
}

/** Largest size of a response's head in bytes. Node's default would refuse a head with a few large cookies. */
const MAX_HEAD_BYTES = 1024 * 1024

/** Number of bytes up to which a response's body is read, so that the connection ends in an orderly way. */
const MAX_BODY_BYTES = 64 * 1024

/**
 * Makes a function that checks a backend with a GET on a new connection, as a client that connects anew would find the
 * backend. Redirects are not followed: the status decides. The request is repeated with other Hosts until one passes.
 */
export function healthProbe(options: HealthProbeOptions): SendCheck {
  const { hosts, port, clock, names = systemNames } = options
  const passes = statusesOf(options.status)
  return (backend, done) => {
    const { host: ownAddress, socketPath } = addressOf(backend)
    // A Unix socket has no port, so the pool's setting does not apply to it.
    const healthPort = socketPath === undefined ? (backend.healthPort ?? port) : 0
    const ownHost = hostOf(backend, healthPort)
    const lookup = hostLookup(names, ownAddress)
    let hostsLeft = hosts.of(backend, ownHost)
    /**
     * The result that is reported if no Host passes: the result with the backend's own address as Host, or otherwise
     * the result with the last Host.
     */
    let failure: RequestResult | undefined
    let cancel = () => {}
    const checkNext = () => {
      const host = hostsLeft.shift() as string
      cancel = request(backend, host, healthPort, lookup, options, passes, (result) => {
        if (!result) return done(undefined)
        if (host === ownHost || hostsLeft.length === 0) failure ??= result
        // Without a connection, the result would be the same with any other Host.
        if (!result.isConnected) hostsLeft = []
        // After a timeout only the backend's own address is tried as Host, because each further Host would take as
        // long.
        if (result.isTimeout) hostsLeft = hostsLeft.filter((other) => other === ownHost)
        if (result.passed) hosts.passed(backend, host)
        else if (hostsLeft.length > 0) return checkNext()
        const { passed, answered, detail } = result.passed ? result : (failure ?? result)
        done({ at: clock.date(), passed, answered, detail })
      })
    }
    const begin = (error?: Error) => {
      if (!error) checkNext()
      // A backend whose name does not exist fails the check. A name that cannot be resolved for now says nothing about
      // the backend.
      else if (error instanceof UnresolvedError && error.isFinal) {
        done({ at: clock.date(), passed: false, answered: false, detail: error.code })
      } else done(undefined)
    }
    // The time of the look-up does not count towards the check's timeout.
    if (lookup) cancel = lookup.wait(begin) ?? cancel
    else begin()
    return () => cancel()
  }
}

/**
 * Returns a backend's address in the form of a Host field.
 * @param port port of health checks; 0 for the port of requests
 */
function hostOf({ host }: Backend, port: number): string {
  return port === 0 ? host : `${host.replace(/:\d+$/, '')}:${port}`
}

/**
 * Sends one request of a check.
 * @param done called once, unless the request is cancelled. The result is undefined if the gateway has run out of a
 *   resource, which says nothing about the backend.
 * @returns a function that cancels the request
 */
function request(
  backend: Backend,
  host: string,
  port: number,
  lookup: HostLookup | undefined,
  { path, timeout, clock, onFailed, tlsOptionsOf = defaultTlsOptionsOf }: HealthProbeOptions,
  passes: Statuses,
  done: (result: RequestResult | undefined) => void,
): () => void {
  const { secure, ...address } = addressOf(backend)
  let response: Omit<RequestResult, 'isConnected' | 'isTimeout'> | undefined
  let isConnected = false
  let isOver = false
  const outgoing = (secure ? tlsRequest : plainRequest)({
    ...address,
    ...tlsOptionsOf(backend),
    ...(port !== 0 && { port }),
    ...(lookup && { lookup: lookup.lookup }),
    path,
    headers: { host, 'user-agent': 'leastwise', accept: '*/*', connection: 'close' },
    agent: false,
    maxHeaderSize: MAX_HEAD_BYTES,
  })
  const end = (result: RequestResult | undefined) => {
    if (isOver) return
    isOver = true
    deadline.clear()
    done(result)
  }
  /** Reports the result. @param failure the text that is reported if there is no response */
  const finish = (failure: string, isTimeout = false) =>
    end({ ...(response ?? { passed: false, answered: false, detail: failure }), isConnected, isTimeout })
  const deadline = new Deadline(clock, () => {
    finish('timed out', true)
    outgoing.destroy()
  })
  deadline.set(timeout)
  outgoing.once('socket', (socket) => {
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      isConnected = true
    })
  })
  outgoing.on('response', (incoming: IncomingMessage) => {
    const { statusCode = 0 } = incoming
    response = { passed: passes(statusCode), answered: true, detail: `status ${statusCode}` }
    let length = 0
    incoming.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > MAX_BODY_BYTES) outgoing.destroy()
    })
    incoming.on('error', () => {})
  })
  // The check asks for no other protocol, so the connection of a backend that switches protocols is closed.
  outgoing.on('upgrade', (_incoming, socket) => socket.destroy())
  outgoing.on('error', (error: NodeJS.ErrnoException) => {
    if (isOver) return
    onFailed(error)
    // The backend's name may have another address by now.
    if (!isConnected) lookup?.doubt()
    if (exhaustionOf(error)) end(undefined)
    else finish(error.code ?? error.message)
  })
  outgoing.on('close', () => finish('no answer'))
  outgoing.end()
  return () => {
    isOver = true
    deadline.clear()
    outgoing.destroy()
  }
}
