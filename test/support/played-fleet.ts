import { EventEmitter } from 'node:events'
import type { StoreLink } from '../../src/balancer/fleet/fleet-sources.js'
import { FleetStatus } from '../../src/balancer/fleet/fleet-status.js'
import type { GatewayView } from '../../src/balancer/fleet/gateway-directory.js'
import type { Clock } from '../../src/balancer/time/clock.js'

/** A connection to a store that goes and comes as a test says. */
export class PlayedLink extends EventEmitter<{ away: [Error]; back: [] }> implements StoreLink {
  isAway: boolean

  constructor(isAway = false) {
    super()
    this.isAway = isAway
  }

  go(why = 'it does not answer'): void {
    this.isAway = true
    this.emit('away', new Error(why))
  }

  come(): void {
    this.isAway = false
    this.emit('back')
  }
}

interface DirectoryEvents {
  joined: [GatewayView]
  left: [GatewayView, 'closed' | 'silent']
  renamed: [{ id: string; wanted: string }]
  failed: [Error]
}

/** A directory of gateways that a test fills. */
export class PlayedDirectory extends EventEmitter<DirectoryEvents> {
  id = 'one'
  readonly gateways: GatewayView[] = []

  list(): GatewayView[] {
    return this.gateways
  }

  /** Adds a gateway. */
  join(id: string, inFlight = 0): GatewayView {
    const gateway = { id, lastSeen: '2026-01-01T00:00:00.000Z', inFlight, self: id === this.id }
    this.gateways.push(gateway)
    this.emit('joined', gateway)
    return gateway
  }
}

/** The status of a store and of gateways that a test plays. */
export function playedStatus(
  clock: Clock,
  isAway = false,
): { status: FleetStatus; link: PlayedLink; directory: PlayedDirectory } {
  const link = new PlayedLink(isAway)
  const directory = new PlayedDirectory()
  const status = new FleetStatus({
    name: 'redis://store:6379',
    connection: link,
    gateways: directory,
    clock,
  })
  status.start()
  return { status, link, directory }
}
