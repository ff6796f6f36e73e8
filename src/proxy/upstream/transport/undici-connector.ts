import type { Socket } from 'node:net'
import { buildConnector } from 'undici'
import type { HostLookup } from '../dns/host-lookup.js'
import { NameWait } from '../dns/name-wait.js'
import type { Address } from './address.js'

/** Undici's connector returns the socket at once, which its type does not say. */
export type Connect = (...parameters: Parameters<buildConnector.connector>) => Socket

type Target = Parameters<Connect>[0]
type Callback = Parameters<Connect>[1]

/** Undici's timeouts are off, because each attempt has deadlines of its own. */
const connectToAddress = buildConnector({ timeout: 0 }) as Connect

/** How undici's connections to a backend are made. */
export function connectFor(lookup: HostLookup | undefined): Connect {
  return lookup ? (buildConnector({ timeout: 0, lookup: lookup.lookup }) as Connect) : connectToAddress
}

export interface UndiciConnectorOptions {
  address: Address
  /** Undefined where the backend's host is an address. */
  lookup: HostLookup | undefined
  connect: Connect
  /** A name had to be waited for, and the connection begins now. */
  onLookedUp(): void
  onSocket(socket: Socket): void
}

/** Connects one connection of undici's to a backend, once the backend's name has addresses. */
export class UndiciConnector {
  readonly #options: UndiciConnectorOptions
  readonly #nameWait = new NameWait()
  /** Undici waits for this to be called while the name is waited for. */
  #callback: Callback | undefined

  constructor(options: UndiciConnectorOptions) {
    this.#options = options
  }

  /** Whether the backend's name is being looked up. */
  get isLookingUp(): boolean {
    return this.#nameWait.isWaiting
  }

  connect(target: Target, callback: Callback): void {
    const { lookup, address, connect, onLookedUp, onSocket } = this.#options
    const open = () => onSocket(connect({ ...target, servername: address.servername }, callback))
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

  /** Stops waiting for a name. */
  giveUp(reason: Error): void {
    if (this.#nameWait.giveUp()) this.#callback?.(reason, null)
  }
}
