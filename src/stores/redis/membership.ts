// Over 200 lines: what becomes of this gateway's lease and of those of others, which one answer of the store decides.
import { randomBytes } from 'node:crypto'
import type { GatewayDirectory, GatewayView } from '../../balancer/fleet/gateway-directory.js'
import { GuardedEmitter, type ObserverGuard } from '../../balancer/observer-guard.js'
import type { Clock } from '../../balancer/time/clock.js'
import { type RedisConnection, StoreAwayError } from './connection.js'
import { type Announced, GatewayEntries, type GatewayEntry } from './gateway-entry.js'
import { type Departure, OtherGateways } from './other-gateways.js'

/** Time after which a gateway that does not renew its lease is gone for the others. */
export const GATEWAY_LEASE_MS = 5000
/** How often a gateway renews its lease. */
const HEARTBEAT_INTERVAL_MS = 1000
/** Shortest time between two announcements, however many gateways join. */
const MIN_PAUSE_MS = 100
/** Longest id. */
const MAX_ID_LENGTH = 64
/** Random characters that tell a gateway from another one with the same id. */
const SPARE_CHARACTERS = 4

export interface MembershipEvents {
  /** This gateway is known to the others; `again` where its lease was over, or the store was emptied. */
  announced: [{ id: string; again: boolean }]
  /** This gateway has another id: a spare one while another living gateway has `wanted`, or `wanted` again. */
  renamed: [{ id: string; wanted: string }]
  /** Another gateway is there. */
  joined: [GatewayView]
  /** Another gateway is gone: it was closed, or its lease is over. */
  left: [GatewayView, Departure]
  /** The same by instance. */
  gone: [string]
  /** The store refuses the announcement; said once until it is accepted again. */
  failed: [Error]
}

export interface MembershipOptions {
  /** Id that this gateway has unless another living one has it. */
  readonly id: string
  /** Version of what gateways tell each other. */
  readonly version: string
  readonly clock: Clock
  readonly observerGuard: ObserverGuard
  /** Returns the number of requests that this gateway has in flight. */
  inFlight(): number
}

type Connection = Pick<RedisConnection, 'key' | 'run' | 'subscribe' | 'isAway' | 'now' | 'on' | 'off'>

/** This gateway among those that share the store: it announces itself with a lease, and knows who else is there. */
export class Membership extends GuardedEmitter<MembershipEvents> implements GatewayDirectory {
  #instance = newInstance()
  readonly #connection: Connection
  readonly #options: MembershipOptions
  readonly #entries: GatewayEntries
  #id: string
  #spare: string
  #wasAnnounced = false
  readonly #others: OtherGateways
  /** Settles once the store has answered; undefined while it is not asked. */
  #asking: Promise<void> | undefined
  #askedAt = Number.NEGATIVE_INFINITY
  #failure: string | undefined
  #cancelBeat = () => {}
  #unsubscribe = () => {}
  #isClosed = true

  constructor(connection: Connection, options: MembershipOptions) {
    super(options.observerGuard)
    this.#connection = connection
    this.#options = options
    const run: Connection['run'] = (script, keys, args) => connection.run(script, keys, args)
    this.#entries = new GatewayEntries(run, this.#key, GATEWAY_LEASE_MS)
    this.#id = options.id
    this.#spare = spareOf(options.id)
    this.#others = new OtherGateways({
      leaseMs: GATEWAY_LEASE_MS,
      now: () => connection.now(),
      joined: (entry) => this.announce('joined', viewOf(entry)),
      left: (entry, why) => {
        this.announce('gone', entry.instance)
        this.announce('left', viewOf(entry), why)
      },
    })
  }

  get id(): string {
    return this.#id
  }

  /** Names this gateway, from its start to its end, among all that there ever were. */
  get instance(): string {
    return this.#instance
  }

  /**
   * Announces this gateway as soon as the store is there, and renews its lease from then on; also again after it was
   * closed. Does nothing where it has begun.
   */
  start(): void {
    if (!this.#isClosed) return
    this.#isClosed = false
    this.#instance = newInstance()
    this.#id = this.#options.id
    this.#wasAnnounced = false
    this.#others.clear()
    this.#unsubscribe = this.#connection.subscribe(this.#key, (message) => this.#heard(message))
    this.#connection.on('back', this.#beat)
    this.#beat()
  }

  list(): GatewayView[] {
    const self = {
      id: this.#id,
      lastSeen: new Date(this.#connection.now()).toISOString(),
      inFlight: this.#options.inFlight(),
      self: true,
    }
    const others = this.#others.list().map(viewOf)
    return [self, ...others.sort((a, b) => (a.id < b.id ? -1 : 1))]
  }

  /** Returns true if this is another gateway whose lease is not over. */
  isOther(instance: string): boolean {
    return this.#others.has(instance)
  }

  /** Leaves the other gateways, who learn it at once where the store is there. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#cancelBeat()
    this.#connection.off('back', this.#beat)
    this.#unsubscribe()
    const instance = this.#instance
    await this.#asking
    // Where the store is away, the lease ends by itself.
    await this.#entries.leave(this.#id, instance).catch(() => {})
  }

  get #key(): string {
    return this.#connection.key('gateways')
  }

  /** Renews the lease now, and again after the interval. */
  readonly #beat = (): void => {
    // What another gateway says while the store is asked may be too late for the answer.
    this.#beatIn(this.#asking ? MIN_PAUSE_MS : HEARTBEAT_INTERVAL_MS)
    if (this.#connection.isAway) this.#others.forget()
    else if (!this.#asking) this.#ask()
  }

  #beatIn(delay: number): void {
    this.#cancelBeat()
    this.#cancelBeat = this.#options.clock.after(delay, this.#beat)
  }

  #ask(): void {
    const { id, version } = this.#options
    const instance = this.#instance
    this.#askedAt = this.#options.clock.now()
    const entry = { id, instance, inFlight: this.#options.inFlight(), version }
    this.#asking = this.#entries.announce(entry, this.#spare).then(
      (announced) => {
        this.#asking = undefined
        if (!this.#isClosed && instance === this.#instance) this.#answered(announced)
      },
      (error: Error) => {
        this.#asking = undefined
        if (!this.#isClosed && instance === this.#instance) this.#failed(error)
      },
    )
  }

  #answered({ id, before, others }: Announced): void {
    this.#failure = undefined
    if (id === undefined) {
      this.#spare = spareOf(this.#options.id)
      this.#beatIn(MIN_PAUSE_MS)
    } else {
      const isOther = id !== this.#id
      this.#id = id
      if (before === undefined) this.announce('announced', { id, again: this.#wasAnnounced })
      this.#wasAnnounced = true
      if (isOther) this.announce('renamed', { id, wanted: this.#options.id })
    }
    this.#others.heard(others, { id: this.#id, instance: this.#instance })
  }

  #failed(error: Error): void {
    this.#others.forget()
    if (error instanceof StoreAwayError || error.message === this.#failure) return
    this.#failure = error.message
    this.announce('failed', error)
  }

  /** Takes news of another gateway; what is said of one that is not known is no news. */
  #heard(message: string): void {
    const [, news, instance = ''] = /^(joined|left) ([\w-]{1,64})$/.exec(message) ?? []
    if (news === undefined || instance === this.instance) return
    if (news === 'joined') {
      const sinceAsked = this.#options.clock.now() - this.#askedAt
      this.#beatIn(Math.max(0, MIN_PAUSE_MS - sinceAsked))
      return
    }
    this.#others.leave(instance)
  }
}

function newInstance(): string {
  return randomBytes(12).toString('base64url')
}

function viewOf({ id, seen, inFlight }: GatewayEntry): GatewayView {
  return { id, lastSeen: new Date(seen).toISOString(), inFlight, self: false }
}

/** Returns an id for a gateway whose own id another one has. */
function spareOf(id: string): string {
  const random = randomBytes(SPARE_CHARACTERS).toString('hex').slice(0, SPARE_CHARACTERS)
  return `${id.slice(0, MAX_ID_LENGTH - SPARE_CHARACTERS - 1)}~${random}`
}
