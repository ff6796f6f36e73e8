import fp from 'fastify-plugin'
// Their declarations of what the app and its requests are decorated with must reach whoever imports this.
import '../plugins/balancer.js'
import '../plugins/proxy.js'
import type { LeastwiseOptions } from './config/plugin-options.js'
import { poolPlugin } from './leastwise.js'

/**
 * The Fastify plugin: decorates the app with `balancer` and `balancers`, and proxies what comes in under
 * `prefix` to the least loaded backend. Registered more than once, with a `name` and a `prefix` each, it
 * makes several pools.
 * @throws {SettingError} for an option that is unknown or not acceptable
 */
const leastwise = fp<LeastwiseOptions>(poolPlugin, { name: 'leastwise', fastify: '5.x' })

export default leastwise
export * from './balancer/index.js'
export type { LeastwiseOptions } from './config/plugin-options.js'
export { SettingError } from './config/setting-error.js'
export { stateFile } from './stores/state-file.js'
export { leastwise }
