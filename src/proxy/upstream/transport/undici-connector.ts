import type { Socket } from 'node:net'
import { buildConnector } from 'undici'
import type { HostLookup } from '../dns/host-lookup.js'
import { NameWait } from '../dns/name-wait.js'
import type { TlsOptions } from '../tls/upstream-tls.js'
import type { Address } from './address.js'

/** The type of undici's connector. The connector returns the socket at once, which undici's own type leaves out. */
export type Connect = (...parameters: Parameters<buildConnector.connector>) => Socket

type Target = Parameters<Connect>[0]
type Callback = Parameters<Connect>[1]

/** Undici's timeout is turned off, because each attempt has its own deadlines. */
const connectToAddress = buildConnector({ timeout: 0 }) as Connect

/** Returns the function by which undici's connections to a backend are made. */
export function connectFor(
  { socketPath }: Address,
  lookup: HostLookup | undefined,
  tls: TlsOptions | undefined,
): Connect {
  if (socketPath !== undefined) return buildConnector({ timeout: 0, socketPath }) as Connect
  const isShared = !lookup && (!tls || (!tls.secureContext && tls.rejectUnauthorized))
  const connect = isShared
    ? connectToAddress
    : (buildConnector({ timeout: 0, ...(lookup && { lookup: lookup.lookup }), ...tls }) as Connect)
  return tls ? (target, callback) => connect({ ...target, servername: tls.servername }, callback) : connect
}

export interface UndiciConnectorOptions {
  /** Looks up the backend's name; undefined if the backend's host is an IP address. */
  lookup: HostLookup | undefined
  connect: Connect
  /** Called when the connection had to wait for the backend's name, and begins only now. */
  onLookedUp(): void
  onSocket(socket: Socket): void
}

/** Opens one connection of undici's client to a backend, once the backend's name has addresses. */
export class UndiciConnector {
  readonly #options: UndiciConnectorOptions
  readonly #nameWait = new NameWait()
  /** The callback by which undici learns of the connection, kept while the backend's name is waited for. */
  #callback: Callback | undefined

  constructor(options: UndiciConnectorOptions) {
    this.#options = options
  }

  /** True while the backend's name is being looked up. */
  get isLookingUp(): boolean {
    return this.#nameWait.isWaiting
  }

  connect(target: Target, callback: Callback): void {
    const { lookup, connect, onLookedUp, onSocket } = this.#options
    const open = () => onSocket(connect(target, callback))
    if (!lookup) {
      open()
      return
    }
    this.#callback = callback
    this.#nameWait.start(lookup, (error, hasWaited) => {
      this.#callback = undefined
      if (error) {
        callback(error, null)
        return
      }
      if (hasWaited) onLookedUp()
      open()
    })
  }

  /** Stops waiting for the backend's name, and reports the reason to undici. */
  giveUp(reason: Error): void {
    if (this.#nameWait.giveUp()) this.#callback?.(reason, null)
  }
}
