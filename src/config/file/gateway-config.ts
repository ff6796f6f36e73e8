import type { RouteMatch } from '../../routing/route-match.js'
import type { PoolSettings } from '../settings.js'

export type { RouteMatch } from '../../routing/route-match.js'

/**
 * What a gateway runs from, once its file was read and checked: names are resolved, defaults are filled in, and the
 * contents of secret files are in place of their paths. It is plain data, so that it can be sent to worker threads.
 */
export interface GatewayConfig {
  /** Path of the file; undefined where the gateway runs from the environment alone. */
  file: string | undefined
  /** Where traffic enters; at least one. */
  listen: readonly ListenerConfig[]
  /** Threads that carry traffic. */
  workers: number | 'auto'
  admin: AdminConfig | 'off'
  /** The pools in the order of the file, at least one. */
  pools: readonly PoolConfig[]
  /**
   * The routes in the order of the file; undefined where every request goes to the only pool, as in a gateway without a
   * file.
   */
  routes: readonly RouteConfig[] | undefined
}

export interface ListenerConfig {
  host: string
  port: number
}

export interface AdminConfig {
  host: string
  port: number
  /** Empty where no token is asked for, which only a loopback address allows. */
  token: string
}

export interface PoolConfig {
  name: string
  settings: PoolSettings
}

export interface RouteConfig {
  /** The name of the route in logs, metrics and the API, unique in the file. */
  name: string
  match: RouteMatch
  /** Where requests go: to one pool, or to several by weight. Empty for a redirect. */
  pools: readonly WeightedPool[]
  mirror: MirrorConfig | undefined
  redirect: RedirectConfig | undefined
  /** The path that is removed from the start of a request's path; empty for none. */
  stripPrefix: string
  /** The path that is put in its place; empty for none. */
  rewritePrefix: string
  headers: { request: HeaderChanges; response: HeaderChanges }
  /** Addresses and ranges of clients; undefined for any. */
  allow: readonly string[] | undefined
  /** Addresses and ranges of clients that are refused. */
  deny: readonly string[]
  rateLimit: RateLimitConfig | undefined
  auth: AuthConfig | undefined
  cors: CorsConfig | undefined
  compress: boolean
  /** Each of these is undefined where the setting of the pool applies. */
  maxBody: number | undefined
  retries: number | undefined
  hedge: number | 'p95' | 'off' | undefined
  timeouts: { connect: number | undefined; response: number | undefined; body: number | undefined }
}

export interface WeightedPool {
  pool: string
  /** From 0 on; not all of a route are 0. */
  weight: number
}

export interface MirrorConfig {
  pool: string
  /** Part of the requests that is copied, from 0 to 100. */
  percent: number
  /** Largest request body that is copied, in bytes; a request with a larger one is not mirrored. */
  maxBody: number
}

export interface RedirectConfig {
  status: 301 | 302 | 303 | 307 | 308
  /** A URL of http or https, or a path. Path and query of the request are kept where it has no path. */
  to: string
}

export interface HeaderChanges {
  /** Fields by name in lower case, in place of what is there. */
  set: Readonly<Record<string, string>>
  /** Fields by name in lower case, beside what is there. */
  add: Readonly<Record<string, string>>
  /** Names in lower case. */
  remove: readonly string[]
}

export interface RateLimitConfig {
  /** Requests of one client in a window. */
  max: number
  /** Milliseconds. */
  window: number
  /** What tells clients apart: their address, or a header field in lower case. */
  by: 'ip' | { header: string }
  /** Whether requests pass that cannot be counted; otherwise they are refused. */
  failOpen: boolean
}

export type AuthConfig = { jwt: JwtConfig } | { basic: BasicConfig } | { apiKey: ApiKeyConfig }

export interface JwtConfig {
  /** The one of these that is given has the keys. */
  keys: { jwks: string } | { secret: string } | { publicKey: string }
  /** Names of JWS algorithms; never `none`. */
  algorithms: readonly string[]
  issuer: readonly string[]
  audience: readonly string[]
  /** Milliseconds by which clocks may differ. */
  clockTolerance: number
  /** Names of request fields in lower case, by the claim that they get. */
  forward: Readonly<Record<string, string>>
}

export interface BasicConfig {
  /** Hashes by bcrypt, by user. */
  users: Readonly<Record<string, string>>
  realm: string
  /** The request field in lower case that gets the user's name; empty for none. */
  forward: string
}

export interface ApiKeyConfig {
  /** The request field that has the key, in lower case. */
  header: string
  /** SHA-256 hashes in hexadecimal, by the name of the key. */
  keys: Readonly<Record<string, string>>
  /** The request field in lower case that gets the name of the key; empty for none. */
  forward: string
}

export interface CorsConfig {
  /** `*`, or origins. */
  origin: '*' | readonly string[]
  methods: readonly string[]
  allowedHeaders: readonly string[] | undefined
  exposedHeaders: readonly string[]
  credentials: boolean
  /** Seconds for which a browser may keep the answer to a preflight; undefined for the browser's default. */
  maxAge: number | undefined
}
