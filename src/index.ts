import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
// Their declarations of what the app and its requests are decorated with must reach whoever imports this.
import '../plugins/balancer.js'
import { poolPlugin } from '../plugins/pool.js'
import '../plugins/request-handling.js'
import { adminRoutes } from '../routes/admin.js'
import type { Balancer } from './balancer/balancer.js'
import { refuseOption } from './config/option-error.js'
import { parseOptions } from './config/parse-options.js'
import type { LeastwiseOptions } from './config/plugin-options.js'
import { registerRoutes } from './proxy/downstream/host-app/register-routes.js'
import { pageRegistry } from './telemetry/metrics/process.js'

/** Puts a pool into an app, and its admin API where that is asked for. */
async function register(app: FastifyInstance, given: LeastwiseOptions): Promise<void> {
  const { admin, metrics, ...options } = parseOptions(given, app)
  const page = admin && pageRegistry()
  const registries = [metrics, page].filter((registry) => registry !== undefined)
  await app.register(poolPlugin, { ...options, registries })
  if (!admin) return
  const { prefix, token } = admin
  const { name } = options
  const pools = new Map([[name, app.balancers.get(name) as Balancer]])
  await registerRoutes(app, adminRoutes, { prefix, pools, token, metrics: page }, (why) =>
    refuseOption('admin.prefix', prefix, why),
  )
}

/**
 * The Fastify plugin: decorates the app with `balancer` and `balancers`, and proxies what comes in under
 * `prefix` to the least loaded backend. Registered more than once, with a `name` and a `prefix` each, it
 * makes several pools.
 * @throws {SettingError} for an option that is unknown or not acceptable
 */
const leastwise = fp<LeastwiseOptions>(register, { name: 'leastwise', fastify: '5.x' })

export default leastwise
export * from './balancer/index.js'
export type { LeastwiseOptions } from './config/plugin-options.js'
export { SettingError } from './config/setting-error.js'
export type { RedisClient } from './stores/redis/client.js'
export {
  type RedisStore,
  type RedisStoreOptions,
  redisStore,
} from './stores/redis/redis-store.js'
export { stateFile } from './stores/state-file.js'
export { leastwise }
