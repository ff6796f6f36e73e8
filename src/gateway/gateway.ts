import type { Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import Fastify, {
  type ConnectionError,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify'
import type { Logger } from 'pino'
import { adminRoutes } from '../../routes/admin.js'
import { StoppedError } from '../balancer/errors.js'
import { systemClock } from '../balancer/time/clock.js'
import { type PoolSettings, poolSettingNames, type Settings } from '../config/settings.js'
import leastwise from '../index.js'
import {
  type EarlyRejection,
  rejectConnect,
  rejectExpectation,
  rejectMalformed,
} from '../proxy/downstream/connection/early-rejection.js'
import { forwardExpectations } from '../proxy/downstream/connection/expect.js'
import { onFinished, pendingOn } from '../proxy/downstream/connection/pipeline.js'
import { sendError } from '../proxy/downstream/errors/error-response.js'
import { notFound } from '../proxy/downstream/errors/errors.js'
import { addressesOf } from '../proxy/downstream/fields/client-addresses.js'
import { MAX_FIELDS } from '../proxy/downstream/fields/field-limits.js'
import { arrivedAs } from '../proxy/downstream/fields/forwarded.js'
import { chooseRequestId } from '../proxy/downstream/request/request-id.js'
import { routableUrl } from '../proxy/downstream/request/target.js'
import { peerOf } from '../proxy/http/peer.js'
import { trustOf } from '../proxy/http/trust.js'
import { stateFile } from '../stores/state-file.js'
import { logRefusals, logRequest } from '../telemetry/access-log.js'
import { exhaustionLog } from '../telemetry/exhaustion-log.js'
import { countersOf } from '../telemetry/metrics/meter.js'
import { countDroppedLines, pageRegistry } from '../telemetry/metrics/process.js'
import { tellObservers } from '../telemetry/observers.js'
import { recordOf } from '../telemetry/record.js'
import { listen, probePorts } from './listeners.js'
import type { LogStream } from './logging/log-stream.js'
import { requestLogger } from './logging/request-logger.js'
import { closeIdle, stopAccepting, trackConnections } from './shutdown.js'

/** The stand-alone gateway: traffic and administration on a listener each. */
export interface Gateway {
  traffic: FastifyInstance
  /** Undefined where ADMIN_PORT is off. */
  admin: FastifyInstance | undefined
  /** Opens the listeners. @throws {ListenError} */
  listen(): Promise<void>
  /**
   * Ends the gateway: no new connections, readiness fails, requests in flight finish.
   * @param timeout milliseconds after which the requests that are left are cut
   * @returns how many were cut
   */
  close(timeout: number): Promise<number>
}

/** @param log where the logger's lines go, if that counts those it drops */
export async function createGateway(
  settings: Settings,
  logger: Logger,
  log?: Pick<LogStream, 'dropped'>,
): Promise<Gateway> {
  const common = {
    ...(settings.logLevel !== 'silent' && {
      loggerInstance: logger as FastifyBaseLogger,
      childLoggerFactory: requestLogger,
    }),
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: chooseRequestId,
    clientErrorHandler: (error: ConnectionError, socket: Socket) => rejectMalformed(error, socket),
    frameworkErrors: sendError,
  }
  const accessLog = settings.logLevel !== 'silent'
  const trust = trustOf(settings.trustProxy)
  const logRefusal = logRefusals(logger as FastifyBaseLogger, trust)
  const onRefused = (refusal: EarlyRejection) => {
    const { balancer } = traffic
    balancer.observerGuard.call(() => countersOf(balancer)?.refused(refusal))
    if (accessLog) balancer.observerGuard.call(() => logRefusal(refusal))
  }
  /** Of what is not a proxied request after all. */
  const observe = (request: FastifyRequest, reply: FastifyReply) => {
    const { balancer } = traffic
    const tally = countersOf(balancer)
    const observers = [...(tally ? [tally.observe] : []), ...(accessLog ? [logRequest] : [])]
    const peer = peerOf(request.raw.socket)
    onFinished(request.raw, reply.raw, () => {
      const record = recordOf(
        request,
        reply,
        balancer,
        addressesOf(arrivedAs(request.raw, peer, trust), trust),
      )
      tellObservers(observers, record, request, reply, balancer.observerGuard)
    })
  }
  const traffic = Fastify({
    ...common,
    clientErrorHandler: (error, socket) => rejectMalformed(error, socket, onRefused),
    frameworkErrors(error, request, reply) {
      observe(request, reply)
      sendError(error, request, reply)
    },
    keepAliveTimeout: settings.keepAliveTimeout,
    // Uploads take as long as they take. (Node's own default would end them after 300 seconds.)
    requestTimeout: 0,
    http: {
      requestTimeout: 0,
      // Refused where everything else is that is wrong with a request, and in the same shape.
      requireHostHeader: false,
      headersTimeout: settings.headersTimeout,
      connectionsCheckingInterval: Math.min(1000, Math.ceil(settings.headersTimeout / 4)),
    },
    // Requests that still come on open connections are served, and told that the connection closes.
    return503OnClosing: false,
    rewriteUrl: routableUrl,
    exposeHeadRoutes: false,
  })
  const metrics = settings.adminPort === 'off' ? undefined : pageRegistry()
  if (metrics && log) countDroppedLines(metrics, log.dropped)
  // A start that fails must not have taken the file from the gateway that serves on these ports.
  if (settings.stateFile !== '') await probePorts(settings)
  await traffic.register(leastwise, {
    ...poolSettings(settings),
    accessLog,
    metrics,
    store: settings.stateFile === '' ? undefined : stateFile(settings.stateFile, 'STATE_FILE'),
  })
  // Everything is proxied but for methods that never are.
  traffic.setErrorHandler(sendError)
  traffic.setNotFoundHandler((request, reply) => {
    observe(request, reply)
    return notFound(request)
  })
  // One field more than is accepted is enough to refuse a request.
  traffic.server.maxHeadersCount = MAX_FIELDS + 1
  await traffic.ready()
  // Some versions of Node refuse what is past their own number of fields, others forget it: the pool counts for itself.
  traffic.server.maxHeadersCount = 0
  forwardExpectations(traffic.server)
  traffic.server.on('connect', (request, socket) => rejectConnect(request, socket, onRefused))
  traffic.server.on('checkExpectation', (request, reply) => rejectExpectation(request, reply, onRefused))
  const connections = trackConnections(traffic.server)

  let admin: FastifyInstance | undefined
  if (metrics) {
    admin = Fastify({ ...common, forceCloseConnections: true })
    admin.setErrorHandler(sendError)
    admin.setNotFoundHandler(notFound)
    await admin.register(adminRoutes, {
      balancer: traffic.balancer,
      token: settings.adminToken || undefined,
      metrics,
    })
  }

  return {
    traffic,
    admin,

    async listen() {
      // Administration first: by the time traffic is accepted the gateway can be asked how it is.
      if (admin) await listen(admin, settings.adminHost, settings.adminPort as number, 'ADMIN_')
      await listen(traffic, settings.host, settings.port, '')
      // Without a descriptor a connection cannot be accepted, and that must not end the process.
      const noteLack = exhaustionLog(logger as FastifyBaseLogger, traffic.balancer.clock, 'default')
      for (const app of [traffic, admin]) app?.server.on('error', noteLack)
      const { registry, policy } = traffic.balancer
      logger.info(
        {
          traffic: traffic.listeningOrigin,
          admin: admin?.listeningOrigin ?? null,
          backends: registry.size,
          policy,
        },
        'gateway ready',
      )
      if (registry.size === 0) logger.warn(admin ? NO_BACKENDS : NO_BACKENDS_EVER)
    },

    async close(timeout) {
      const { registry } = traffic.balancer
      let cut = 0
      traffic.balancer.startClosing()
      const closed = stopAccepting(traffic.server)
      const cancelDeadline = systemClock.after(timeout, () => {
        let open = 0
        for (const socket of connections) open += pendingOn(socket)
        // A client may still read what its backend is done with, and a backend work for one that left.
        cut = Math.max(open, registry.inFlight)
        traffic.balancer.stop(new StoppedError('the gateway shut down'))
        // Those that can still be answered are.
        setTimeout(() => {
          for (const socket of connections) socket.destroy()
        }, LAST_WORDS)
      })
      const reaper = closeIdle(connections)
      await closed
      clearInterval(reaper)
      cancelDeadline()
      await traffic.close()
      // Sockets that were cut tell of it in this turn of the loop, and their requests are logged.
      await setImmediate()
      // Readiness is answered, with 503, until there is nothing left to be ready for.
      await admin?.close()
      return cut
    },
  }
}

const NO_BACKENDS =
  'there is no backend: BACKENDS is empty, and requests are answered 503 until one is registered over the admin API'
const NO_BACKENDS_EVER =
  'there is no backend, and no admin API to register one: BACKENDS is empty, and requests are answered 503'

/** Milliseconds for answers that are written when the time of a shutdown is up. */
const LAST_WORDS = 50

/** What the plugin is given. */
function poolSettings(settings: Settings): Partial<PoolSettings> {
  return Object.fromEntries(poolSettingNames.map((name) => [name, settings[name]]))
}
