import type { Launch, Place, RunningProxy } from '../rig/foreground.js'

/** What a peer is asked to be good at. */
export type Profile =
  /** Cost: as little work as it can have on a request. */
  | 'plain'
  /** Trouble: everything it has to keep failures and slowness from clients. */
  | 'resilient'

/** Active health checks; times are milliseconds. */
export interface PeerHealth {
  path: string
  interval: number
  timeout: number
  /** Failures in a row that put a backend aside, and passes that bring it back. */
  fall: number
  rise: number
}

export interface PeerSetup {
  profile: Profile
  /** `http` and an IPv4 address with a port. */
  backends: { url: string; weight?: number }[]
  /** Only for `resilient`; ignored by software that has no active checks, which then has its passive ones. */
  health?: PeerHealth
  /** Whether a request that failed may be sent to another backend; true for `resilient`, else false. */
  retries?: boolean
  /** The one processor it may run on. */
  cpu?: number
}

/** A setup in which nothing is left open, and where it runs. */
export interface PeerPlan extends Place {
  profile: Profile
  backends: { address: string; weight: number }[]
  health: PeerHealth | undefined
  retries: boolean
}

/** Another balancer, as it is known before it is looked for. */
export interface PeerKind {
  name: string
  binary: string
  /** Arguments that make it print its version. */
  versionArguments: string[]
  launch(binary: string, plan: PeerPlan): Launch
}

/** One that is installed here. */
export interface Peer {
  name: string
  version: string
  start(setup: PeerSetup): Promise<RunningProxy>
}
