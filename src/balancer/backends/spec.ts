import { type BackendTls, type GivenTls, tlsFields } from './backend-tls.js'

/** The state that an operator gave a backend. `draining`: it gets no new request, and finishes those in flight. */
export type AdminState = 'active' | 'draining'

/** The Host field that a backend gets: the client's (`client`), or the backend's own address (`backend`). */
export const hostHeaders = ['client', 'backend'] as const

export type HostHeader = (typeof hostHeaders)[number]

/** Tells whether backends are used before their first check has passed. */
export const healthInitials = ['usable', 'unusable'] as const

export type HealthInitial = (typeof healthInitials)[number]

/** Describes a backend that is to be registered. */
export interface BackendSpec extends GivenTls {
  /**
   * `http://host:port` or `https://host:port`, without credentials, path, query or fragment; or `unix:/run/app.sock` for
   * plain HTTP on a Unix socket.
   */
  url: string
  /**
   * An id that is unique in the pool, 1 to 64 characters of `A-Z a-z 0-9 . _ ~ -`; by default it is made from the
   * address.
   */
  id?: string | undefined
  /** Weight relative to the other backends, a whole number from 1 to 1,000; 1 by default. */
  weight?: number | undefined
  /** Largest number of requests in flight on the backend; null or 0 for no limit. */
  maxConnections?: number | null | undefined
  /** The Host field that the backend gets; the pool's setting by default. */
  hostHeader?: HostHeader | undefined
  /** True if the backend is a backup, which is used only where no other backend is usable; false by default. */
  backup?: boolean | undefined
  /** The port that active checks connect to; null or left out for the pool's setting. Not for a Unix socket. */
  healthPort?: number | null | undefined
  /** The Host field that active checks send; null or left out for the pool's setting. */
  healthHost?: string | null | undefined
}

/** The description of a backend in the configuration of a pool, with the defaults of its own fields filled in. */
export interface ConfiguredBackend extends BackendTls {
  /** The origin, as `new URL(url).origin` spells it, or `unix:` and the path of a socket. */
  url: string
  /** The id; left out where it is made from the address. */
  id?: string
  weight: number
  /**
   * Largest number of requests in flight; null for no limit, left out for the limit that the pool gives its backends.
   */
  maxConnections?: number | null
  hostHeader?: HostHeader
  /** True for a backup; left out for any other backend. */
  backup?: true
  healthPort?: number
  healthHost?: string
}

/** The names of all fields of a {@link BackendSpec}. */
export const backendFields = [
  'url',
  'id',
  'weight',
  'maxConnections',
  'hostHeader',
  'backup',
  'healthPort',
  'healthHost',
  ...tlsFields,
] as const satisfies readonly (keyof BackendSpec)[]

/** A backend that was registered earlier, with its state and time of registration. */
export interface BackendRecord extends BackendSpec {
  /** The state that an operator gave the backend; `active` by default. */
  state?: AdminState | undefined
  /** The time of registration in ISO 8601; now by default. */
  addedAt?: string | undefined
}

/**
 * The source that registered a backend: the configuration of its pool, a call of the admin API (or of {@link
 * Registry.add}), or the store that remembers the backend from an earlier run.
 */
export type BackendSource = 'config' | 'api' | 'store'

/** The fields of a registered backend that can be changed, with their new values. */
export type BackendPatch = Pick<
  BackendSpec,
  'weight' | 'maxConnections' | 'backup' | 'healthPort' | 'healthHost' | keyof BackendTls
>

export const MAX_WEIGHT = 1000
export const MAX_CONNECTIONS = 1_000_000
export const MAX_PORT = 65_535

/** The form of a Host field: a name or an address, with or without a port. */
export const HOST_FIELD = /^([\w.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?$/
