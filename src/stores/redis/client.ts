import type { Cluster, ClusterOptions, Redis, RedisOptions } from 'ioredis'
import type { StoreAddress, StoreHost } from './url.js'

/** A client of ioredis. */
export type Client = Redis | Cluster

/** Makes another client that is not connected yet, and that gives up when its connection is lost. */
export type MakeClient = () => Client

/** What is used of a client that an app has made. Clients of ioredis and of its forks are of this kind. */
export interface RedisClient {
  readonly isCluster: boolean
  duplicate(...args: never[]): unknown
}

/** A store as a URL has it, or as an app's client reaches it. */
export type ConnectionTarget =
  | { address: StoreAddress; displayed: string; prefix: string }
  | { client: RedisClient; displayed: string; prefix: string }

/** Longest time until a server has taken a connection, with TLS. */
const CONNECT_TIMEOUT_MS = 5000
/** Time that a server has to close a connection in turn, before it is destroyed. */
const DISCONNECT_TIMEOUT_MS = 50

/**
 * Options of each connection. A connection that is lost ends its client: what was asked and not answered fails, nothing
 * is sent twice, and nothing waits in the client until there is a connection.
 */
const connectionOptions = {
  lazyConnect: true,
  connectionName: 'leastwise',
  connectTimeout: CONNECT_TIMEOUT_MS,
  disconnectTimeout: DISCONNECT_TIMEOUT_MS,
  protocol: 2,
  replyMapping: 'legacy',
  keyPrefix: '',
  enableOfflineQueue: false,
  // Whether the server is ready is asked with a script that it must be able to run.
  enableReadyCheck: false,
  disableClientInfo: true,
  enableAutoPipelining: false,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  retryStrategy: () => null,
  reconnectOnError: null,
  sentinelRetryStrategy: () => null,
  sentinelCommandTimeout: CONNECT_TIMEOUT_MS,
  failoverDetector: false,
  readOnly: false,
  stringNumbers: false,
  role: 'master',
} as const satisfies RedisOptions

const { lazyConnect, enableOfflineQueue: _, ...nodeOptions } = connectionOptions

const clusterOptions = {
  lazyConnect,
  keyPrefix: '',
  enableOfflineQueue: false,
  enableReadyCheck: false,
  enableAutoPipelining: false,
  scaleReads: 'master',
  clusterRetryStrategy: () => null,
  clusterNodeRetryStrategy: null,
  slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
  // A command that may have been carried out is not sent again.
  retryDelayOnFailover: 0,
  retryDelayOnClusterDown: 0,
} as const satisfies ClusterOptions

/**
 * Returns what makes clients for a store.
 * @throws {Error} if the package ioredis, which is optional, is not installed
 */
export async function clientsOf(target: ConnectionTarget): Promise<MakeClient> {
  return 'client' in target ? clientsLike(target.client) : await clientsFor(target.address)
}

async function clientsFor(address: StoreAddress): Promise<MakeClient> {
  const ioredis = await import('ioredis').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new Error('it needs the package ioredis: npm install ioredis')
  })
  const { kind, hosts, username, password, db, family } = address
  const login = { ...(username !== undefined && { username }), ...(password !== undefined && { password }) }
  const tls = address.tls && { tls: {} }
  if (kind === 'cluster') {
    const redisOptions = { ...nodeOptions, ...login, ...tls, ...(family !== 0 && { family }) }
    return () => new ioredis.Cluster([...hosts], { ...clusterOptions, redisOptions })
  }
  const options = { ...connectionOptions, ...login, ...tls, db, family }
  if (kind === 'server') return () => new ioredis.Redis({ ...options, ...(hosts[0] as StoreHost) })
  const sentinelOptions = {
    ...options,
    name: address.master as string,
    ...(address.sentinelUsername !== undefined && { sentinelUsername: address.sentinelUsername }),
    ...(address.sentinelPassword !== undefined && { sentinelPassword: address.sentinelPassword }),
    ...(address.tls && { sentinelTLS: {}, enableTLSForSentinelMode: true }),
  }
  // Sentinels are asked in turn. Each connection begins with another one, as the first may never answer.
  let first = 0
  return () => {
    const sentinels = hosts.map((_, i) => ({ ...(hosts[(first + i) % hosts.length] as StoreHost) }))
    first++
    return new ioredis.Redis({ ...sentinelOptions, sentinels })
  }
}

/** Returns what makes clients that connect to where an app's client connects. That one is not used otherwise. */
function clientsLike(given: RedisClient): MakeClient {
  if (!given.isCluster) {
    const redis = given as unknown as Redis
    return () => redis.duplicate(connectionOptions) as Redis
  }
  const cluster = given as unknown as Cluster
  return () => cluster.duplicate([], { ...clusterOptions, redisOptions: nodeOptions }) as Cluster
}
