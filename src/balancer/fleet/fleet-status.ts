import type { Clock } from '../time/clock.js'
import { Allowance } from './allowance.js'
import { ChangeFeed } from './change-feed.js'
import type { AwayError, StoreLink, WatchedDirectory } from './fleet-sources.js'
import type { FleetChange, StoreView } from './fleet-view.js'
import type { GatewayDirectory, GatewayView } from './gateway-directory.js'

export interface FleetStatusOptions {
  /** Where the store is, without a user and a password. */
  name: string
  connection: StoreLink
  gateways: WatchedDirectory
  clock: Clock
}

/** Time after which a store that has not answered since the start counts as away. */
const START_GRACE_MS = 3000
/** A store that comes and goes all the time is told of this often at once, and then once in the interval below. */
const STORE_CHANGES = 4
const STORE_INTERVAL_MS = 15_000
/** The same of gateways; fifty may start at the same time. */
const GATEWAY_CHANGES = 60
const GATEWAY_INTERVAL_MS = 5000

/**
 * What a gateway knows of the store that it shares and of the gateways with which it shares it. It tells of changes, and
 * of no more than people can read: each of a few, and then some of many.
 */
export class FleetStatus extends ChangeFeed {
  readonly gateways: GatewayDirectory
  readonly #name: string
  readonly #clock: Clock
  readonly #connection: StoreLink
  readonly #storeLines: Allowance
  readonly #gatewayLines: Allowance
  #cancelLater: (() => void) | undefined
  /** What was told last of the store. */
  #toldAway = false
  /** False until the store has answered, or was found to be away. */
  #isStarted = false
  #awaySince: Date | undefined
  /** Monotonic time at which the store went away, in milliseconds. */
  #awayAt = 0
  #awayMs = 0
  #reason = 'it has not answered since the start'
  #failures = 0
  #untold = 0

  readonly #directory: WatchedDirectory
  #isWatching = false

  constructor({ name, connection, gateways, clock }: FleetStatusOptions) {
    super()
    // Each pool listens, and there may be any number of them.
    this.setMaxListeners(0)
    this.#directory = gateways
    this.gateways = gateways
    this.#name = name
    this.#clock = clock
    this.#connection = connection
    this.#storeLines = new Allowance(clock, STORE_CHANGES, STORE_INTERVAL_MS)
    this.#gatewayLines = new Allowance(clock, GATEWAY_CHANGES, GATEWAY_INTERVAL_MS)
  }

  /** Begins to watch, when the connection is opened. Does nothing where it watches already. */
  start(): void {
    if (this.#isWatching) return
    this.#isWatching = true
    this.#connection.on('away', this.#onAway)
    this.#connection.on('back', this.#onBack)
    this.#directory.on('joined', this.#onJoined)
    this.#directory.on('left', this.#onLeft)
    this.#directory.on('renamed', this.#onRenamed)
    this.#directory.on('failed', this.#onFailed)
    this.#isStarted = !this.#connection.isAway
    if (this.#isStarted) return
    this.#left()
    this.#cancelLater = this.#clock.after(START_GRACE_MS, () => {
      this.#cancelLater = undefined
      this.#lost()
    })
  }

  /** The store as it is now. */
  store(): StoreView {
    const since = this.#awaySince
    return { name: this.#name, away: since !== undefined, awaySince: since?.toISOString() ?? null }
  }

  /** How often the store has gone away since the start; a store that was away at the start counts. */
  get failures(): number {
    return this.#failures
  }

  /** Milliseconds for which the store has been away since the start, up to now. */
  get awayMs(): number {
    return this.#awayMs + (this.#awaySince ? this.#clock.now() - this.#awayAt : 0)
  }

  /** Ends the watch, when the connection is closed. It can be started again. */
  close(): void {
    this.#isWatching = false
    this.#connection.off('away', this.#onAway)
    this.#connection.off('back', this.#onBack)
    this.#directory.off('joined', this.#onJoined)
    this.#directory.off('left', this.#onLeft)
    this.#directory.off('renamed', this.#onRenamed)
    this.#directory.off('failed', this.#onFailed)
    this.#endGrace()
    this.#awaySince = undefined
  }

  readonly #onJoined = ({ id }: GatewayView): void => this.#tellOf({ type: 'joined', id })
  readonly #onLeft = ({ id }: GatewayView, how: 'closed' | 'silent'): void =>
    this.#tellOf({ type: 'left', id, how })
  readonly #onRenamed = ({ id, wanted }: { id: string; wanted: string }): void =>
    this.#tellOf({ type: 'renamed', id, wanted })
  readonly #onFailed = ({ message }: Error): void => this.#tellOf({ type: 'failed', message })

  readonly #onAway = ({ message, why = message }: AwayError): void => {
    this.#reason = why
    // A store that has not answered since the start may have been found to be away already.
    if (this.#isStarted && this.#awaySince) return
    this.#left()
    if (!this.#isStarted) this.#endGrace()
    this.#lost()
  }

  readonly #onBack = (): void => {
    if (!this.#isStarted) {
      // The store has answered in time, so it never was away.
      this.#isStarted = true
      this.#endGrace()
    } else this.#awayMs = this.awayMs
    this.#awaySince = undefined
    this.#tellOfStore()
  }

  #endGrace(): void {
    this.#cancelLater?.()
    this.#cancelLater = undefined
  }

  #left(): void {
    if (this.#awaySince) return
    this.#awaySince = this.#clock.date()
    this.#awayAt = this.#clock.now()
  }

  #lost(): void {
    this.#isStarted = true
    this.#failures++
    this.#tellOfStore()
  }

  /** Tells of the store, now or as soon as it may be told. */
  #tellOfStore(): void {
    const store = this.store()
    if (this.#cancelLater || store.away === this.#toldAway) return
    const wait = this.#storeLines.take()
    if (wait > 0) {
      this.#cancelLater = this.#clock.after(wait, () => {
        this.#cancelLater = undefined
        this.#tellOfStore()
      })
      return
    }
    this.#toldAway = store.away
    this.tell({ type: 'store', store, reason: store.away ? this.#reason : null })
  }

  #tellOf(change: Exclude<FleetChange, { type: 'store' }>): void {
    if (this.#gatewayLines.take() > 0) this.#untold++
    else {
      const untold = this.#untold
      this.#untold = 0
      this.tell(untold > 0 ? { ...change, untold } : change)
    }
  }
}
