import type { RouteConfig } from '../../../src/config/file/gateway-config.js'
import type { Settings } from '../../../src/config/settings.js'
import { type ConfigSource, environmentSource } from '../../../src/gateway/reload/config-source.js'

const none = { set: {}, add: {}, remove: [] }

/** The configuration of the environment, but with ten routes without plugins in front of the one pool. */
export function tenRoutes(settings: Settings): ConfigSource {
  const source = environmentSource(settings)
  const routes = Array.from({ length: 10 }, (_, i): RouteConfig => {
    const path = i === 0 ? '' : `/service-${i}`
    return {
      name: path || '/',
      match: { host: undefined, path, methods: undefined, headers: {}, query: {} },
      pools: [{ pool: 'default', weight: 1 }],
      mirror: undefined,
      redirect: undefined,
      stripPrefix: '',
      rewritePrefix: '',
      headers: { request: none, response: none },
      allow: undefined,
      deny: [],
      rateLimit: undefined,
      auth: undefined,
      cors: undefined,
      compress: false,
      maxBody: undefined,
      retries: undefined,
      hedge: undefined,
      timeouts: { connect: undefined, response: undefined, body: undefined },
    }
  })
  return { ...source, config: { ...source.config, routes } }
}
