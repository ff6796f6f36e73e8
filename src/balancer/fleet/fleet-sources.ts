import type { GatewayDirectory, GatewayView } from './gateway-directory.js'

/** Why a store is away: in a sentence, and if it is known the reason alone. */
export type AwayError = Error & { readonly why?: string }

/** The part of a connection to a store that its status needs. */
export interface StoreLink {
  /** True while the store does not answer, and until it has answered for the first time. */
  readonly isAway: boolean
  on(event: 'away', listener: (error: AwayError) => void): unknown
  on(event: 'back', listener: () => void): unknown
  off(event: 'away', listener: (error: AwayError) => void): unknown
  off(event: 'back', listener: () => void): unknown
}

/** A directory that tells who comes and goes. */
export interface WatchedDirectory extends GatewayDirectory {
  on(event: 'joined', listener: (gateway: GatewayView) => void): unknown
  on(event: 'left', listener: (gateway: GatewayView, how: 'closed' | 'silent') => void): unknown
  on(event: 'renamed', listener: (names: { id: string; wanted: string }) => void): unknown
  on(event: 'failed', listener: (error: Error) => void): unknown
  off(event: 'joined', listener: (gateway: GatewayView) => void): unknown
  off(event: 'left', listener: (gateway: GatewayView, how: 'closed' | 'silent') => void): unknown
  off(event: 'renamed', listener: (names: { id: string; wanted: string }) => void): unknown
  off(event: 'failed', listener: (error: Error) => void): unknown
}
