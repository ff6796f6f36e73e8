import { connect, type OnReadOpts, type Socket, type TcpNetConnectOpts } from 'node:net'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { inBackground } from '../../../../balancer/time/background.js'
import type { HostLookup } from '../../dns/host-lookup.js'
import type { TlsOptions } from '../../tls/upstream-tls.js'
import type { Address } from '../address.js'

/**
 * Milliseconds between two TCP probes of a silent connection. While no bytes are sent, only such a probe can find out
 * that a backend has vanished.
 */
const KEEP_ALIVE_PROBE_MS = 60_000

/**
 * Bounds of the milliseconds for which an address is tried before the next one. Node gives an address up when it tries
 * the next one, so a distant backend needs the lower bound. Each new connection waits no longer than the upper bound for
 * a first address that is dead.
 */
const MIN_ATTEMPT_MS = 250
const MAX_ATTEMPT_MS = 1000

/** Opens sockets to one backend. */
export class Connector {
  readonly #address: Address
  /** Looks up the backend's name; undefined if the backend's host is an IP address. */
  readonly lookup: HostLookup | undefined
  readonly #tlsOptions: () => TlsOptions | undefined
  readonly #connectTimeout: number

  /**
   * @param tlsOptions returns the options for the next connection; undefined for a backend without TLS
   * @param connectTimeout longest time in milliseconds that a connection may take; 0 for any time
   */
  constructor(
    address: Address,
    lookup: HostLookup | undefined,
    tlsOptions: () => TlsOptions | undefined,
    connectTimeout: number,
  ) {
    this.#address = address
    this.lookup = lookup
    this.#tlsOptions = tlsOptions
    this.#connectTimeout = connectTimeout
  }

  /** The event that a socket emits when it is connected, and its TLS handshake is done. */
  get connectEvent(): 'connect' | 'secureConnect' {
    return this.#address.secure ? 'secureConnect' : 'connect'
  }

  /**
   * Opens a socket that passes what it reads to `onread`. Addresses of a name are tried as RFC 8305 says.
   * @throws {Error} for options of TLS that Node does not take
   */
  open(onread: OnReadOpts): Socket {
    return inBackground(this.#open, { onread })
  }

  /** Opens a socket that emits `data`, and whose two halves are closed independently of each other. */
  openForUpgrade(): Socket {
    return inBackground(this.#open, { allowHalfOpen: true })
  }

  readonly #open = (options: { onread?: OnReadOpts; allowHalfOpen?: boolean }): Socket => {
    const { socketPath, host, port, secure } = this.#address
    if (socketPath !== undefined) return connect({ path: socketPath, ...options })
    const target: TcpNetConnectOpts = { host, port, autoSelectFamily: true, ...options }
    if (this.lookup) {
      target.lookup = this.lookup.lookup
      target.autoSelectFamilyAttemptTimeout = attemptMs(this.#connectTimeout, this.lookup.addressCount)
    }
    const tls = secure ? this.#tlsOptions() : undefined
    const socket = tls ? openTls(target, tls) : connect(target)
    return socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_PROBE_MS)
  }
}

/** Returns the milliseconds for which each address is tried, so that all of them are tried within the time limit. */
function attemptMs(connectTimeout: number, addressCount: number): number {
  if (connectTimeout === 0) return MAX_ATTEMPT_MS
  const share = Math.floor(connectTimeout / Math.max(1, addressCount))
  return Math.min(MAX_ATTEMPT_MS, Math.max(MIN_ATTEMPT_MS, share))
}

function openTls(target: TcpNetConnectOpts, tls: TlsOptions): Socket {
  const socket = connectTls({ ...target, ...tls } as ConnectionOptions)
  socket.on('session', keepSession.bind(undefined, socket, tls))
  return socket
}

/**
 * Keeps the newest session, with which the next handshake takes less time. Node does not check names again when a
 * session is resumed, so only the session of a connection whose certificate is valid is kept.
 */
function keepSession(socket: TLSSocket, tls: TlsOptions, session: Buffer): void {
  if (socket.authorized) tls.session = session
}
