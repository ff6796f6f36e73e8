import fp from 'fastify-plugin'
// Their declarations of what the app and its requests are decorated with must reach whoever imports this.
import '../plugins/balancer.js'
import '../plugins/proxy.js'
import { gateway } from './gateway.js'
import type { LeastwiseOptions } from './options.js'

/**
 * The Fastify plugin: decorates the app with `balancer` and `balancers`, and proxies what comes in under
 * `prefix` to the least loaded backend. Registered more than once, with a `name` and a `prefix` each, it
 * makes several pools.
 * @throws {SettingError} for an option that is unknown or not acceptable
 */
const leastwise = fp<LeastwiseOptions>(gateway, { name: 'leastwise', fastify: '5.x' })

export default leastwise
export { stateFile } from './adapters/state-file.js'
export * from './balancer/index.js'
export type { LeastwiseOptions } from './options.js'
export { SettingError } from './settings.js'
export { leastwise }
