import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { BackendStore } from '../balancer/state/store.js'
import type { PoolHandle } from '../balancer/threads/messages.js'
import { type PoolSettings, poolSettingNames, type Settings } from '../config/settings.js'
import leastwise from '../index.js'
import {
  rejectConnect,
  rejectExpectation,
  rejectMalformed,
} from '../proxy/downstream/connection/early-rejection.js'
import { forwardExpectations } from '../proxy/downstream/connection/expect.js'
import { sendError } from '../proxy/downstream/errors/error-response.js'
import { notFound } from '../proxy/downstream/errors/errors.js'
import { MAX_FIELDS } from '../proxy/downstream/fields/field-limits.js'
import { routableUrl } from '../proxy/downstream/request/target.js'
import { trustOf } from '../proxy/http/trust.js'
import { stateFile } from '../stores/state-file.js'
import { appOptions } from './app-options.js'
import { UnproxiedRequests } from './unproxied-requests.js'

const NO_QUERY = Object.freeze({})

/**
 * The app behind the traffic listener: one pool, to which everything is proxied.
 * @param metrics registry that gets the metrics of the pool; undefined where nobody can ask for them
 * @param shared the handle of the pool, where this thread is one of several workers
 */
export async function createTrafficApp(
  settings: Settings,
  logger: Logger,
  metrics: Registry | undefined,
  shared?: PoolHandle,
): Promise<FastifyInstance> {
  const accessLog = settings.logLevel !== 'silent'
  const log = accessLog ? (logger as FastifyBaseLogger) : undefined
  const unproxied = new UnproxiedRequests(() => app.balancer, trustOf(settings.trustProxy), log)
  const app = Fastify({
    ...appOptions(settings, logger),
    clientErrorHandler: (error, socket) => rejectMalformed(error, socket, unproxied.rejected),
    frameworkErrors(error, request, reply) {
      unproxied.watch(request, reply)
      sendError(error, request, reply)
    },
    keepAliveTimeout: settings.keepAliveTimeout,
    // Uploads may take any time. (Node's default would end them after 300 seconds.)
    requestTimeout: 0,
    http: {
      requestTimeout: 0,
      // The proxy itself refuses a missing Host, together with all other faults of a request and in the same shape.
      requireHostHeader: false,
      headersTimeout: settings.headersTimeout,
      connectionsCheckingInterval: Math.min(1000, Math.ceil(settings.headersTimeout / 4)),
    },
    // Requests that still come on open connections are served, and their responses say that the connection closes.
    return503OnClosing: false,
    rewriteUrl: routableUrl,
    // Queries are passed on as they are, and nothing here reads one.
    routerOptions: { querystringParser: () => NO_QUERY },
    exposeHeadRoutes: false,
  })
  await app.register(leastwise, {
    ...poolSettings(settings),
    accessLog,
    metrics,
    ...(shared ? { shared } : { store: storeOf(settings) }),
  })
  app.setErrorHandler(sendError)
  // This handler gets only methods that are never proxied.
  app.setNotFoundHandler((request, reply) => {
    unproxied.watch(request, reply)
    return notFound(request)
  })
  // While the pool starts, Node keeps one field more than is accepted, which is enough to refuse the request.
  app.server.maxHeadersCount = MAX_FIELDS + 1
  await app.ready()
  // Some versions of Node refuse fields beyond their own maximum, others drop them silently, so the pool counts them
  // itself.
  app.server.maxHeadersCount = 0
  forwardExpectations(app.server)
  app.server.on('connect', (request, socket) => rejectConnect(request, socket, unproxied.rejected))
  app.server.on('checkExpectation', (request, reply) => rejectExpectation(request, reply, unproxied.rejected))
  return app
}

/** Returns where the pool is stored; undefined where it is not. */
export function storeOf({ stateFile: path }: Settings): BackendStore | undefined {
  return path === '' ? undefined : stateFile(path, 'STATE_FILE')
}

export function poolSettings(settings: Settings): Partial<PoolSettings> {
  return Object.fromEntries(poolSettingNames.map((name) => [name, settings[name]]))
}
