/** `draining`: gets no new request, finishes those it has. */
export type AdminState = 'active' | 'draining'

/** Which Host a backend sees: the client's, or its own address. */
export const hostHeaders = ['client', 'backend'] as const

export type HostHeader = (typeof hostHeaders)[number]

/** Whether backends are used before their first check has passed. */
export const healthInitials = ['usable', 'unusable'] as const

export type HealthInitial = (typeof healthInitials)[number]

/** Describes a backend that is to be registered. */
export interface BackendSpec {
  /** `http://host:port` or `https://host:port`, without credentials, path, query or fragment. */
  url: string
  /** Unique in the pool, 1 to 64 of `A-Z a-z 0-9 . _ ~ -`; made from the address where it is left out. */
  id?: string | undefined
  /** Share relative to the other backends, a whole number from 1 to 1,000; 1 by default. */
  weight?: number | undefined
  /** Requests in flight it may hold; null or 0 for no limit. */
  maxConnections?: number | null | undefined
  /** Overrides the pool's setting. */
  hostHeader?: HostHeader | undefined
  /** Whether it is used only where no other backend is usable; false by default. */
  backup?: boolean | undefined
  /** Port that checks ask; null or left out for the pool's setting. */
  healthPort?: number | null | undefined
  /** Host that checks say; null or left out for the pool's setting. */
  healthHost?: string | null | undefined
}

/** The configuration of a backend, with the defaults of a backend's own fields filled in. */
export interface ConfiguredBackend {
  /** The origin, as `new URL(url).origin` spells it. */
  url: string
  /** Left out: made from the address. */
  id?: string
  weight: number
  /** Null for no limit; left out: the pool's own limit, whatever that is. */
  maxConnections?: number | null
  hostHeader?: HostHeader
  /** Left out where the backend is not a backup. */
  backup?: true
  healthPort?: number
  healthHost?: string
}

/** All fields of a {@link BackendSpec}. */
export const backendFields = [
  'url',
  'id',
  'weight',
  'maxConnections',
  'hostHeader',
  'backup',
  'healthPort',
  'healthHost',
] as const satisfies readonly (keyof BackendSpec)[]

/** A backend that was registered before, as it was then. */
export interface BackendRecord extends BackendSpec {
  /** `active` by default. */
  state?: AdminState | undefined
  /** ISO 8601; now by default. */
  addedAt?: string | undefined
}

/**
 * The source of a backend: the configuration of its pool, a call of the admin API (or of {@link Registry.add}), or the
 * store that remembers the backend from an earlier run.
 */
export type BackendSource = 'config' | 'api' | 'store'

/** The fields of a registered backend that can be changed. */
export type BackendPatch = Pick<
  BackendSpec,
  'weight' | 'maxConnections' | 'backup' | 'healthPort' | 'healthHost'
>

export const MAX_WEIGHT = 1000
export const MAX_CONNECTIONS = 1_000_000
export const MAX_PORT = 65_535

/** Matches the value of a Host field: a name or an address, with or without a port. */
export const HOST_FIELD = /^([\w.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?$/
