import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'

/** Thrown to end a look-up before the request would be handled. */
const STOP = new Error('the look-up of a route is over')

/** Copies of requests that are only routed to find out which route they get. */
const probes = new WeakSet<object>()
/** Whether there was ever a probe; most apps have none. */
let isUsed = false
let isFound = false

/** Ends the look-up of a probe. To be called with each request to a proxied route, before anything else is done with it. */
export function stopProbe(request: IncomingMessage): void {
  if (!isUsed || !probes.has(request)) return
  isFound = true
  throw STOP
}

/**
 * Whether the router of an app would give a request to a proxied route. Only the router knows, by its priorities and
 * constraints, and it cannot be asked: so a copy of the request is routed, and stopped by an exception before any hook
 * runs. A proxied route throws it in {@link stopProbe}. For any other route Fastify reads the Connection field before the
 * hooks, and the field of the copy throws it. True as well where the router has not decided by then, because a constraint
 * is derived asynchronously.
 */
export function isProxied(app: FastifyInstance, request: IncomingMessage): boolean {
  if (!isRoutable(request.url as string)) return false
  const headers = Object.create(request.headers, {
    connection: {
      get() {
        throw STOP
      },
    },
  })
  const probe = Object.create(request, {
    headers: { value: headers },
    // A `rewriteUrl` of the app may set it.
    url: { value: request.url, writable: true },
  })
  isUsed = true
  probes.add(probe)
  isFound = false
  try {
    app.routing(probe, silentResponse as unknown as ServerResponse)
    return true
  } catch (error) {
    if (error !== STOP) app.log.debug(error, 'the route of an upgrade could not be looked up')
    return isFound
  }
}

/** Whether the router looks for a route; it answers all other URLs itself. */
function isRoutable(url: string): boolean {
  try {
    decodeURI(url)
    return url.startsWith('/') || /^https?:\/\//i.test(url)
  } catch {
    return false
  }
}

const returnThis = () => silentResponse
/** A response that is never sent, as the look-up is stopped before. */
const silentResponse = {
  setHeader: returnThis,
  writeHead: returnThis,
  write: returnThis,
  end: returnThis,
  on: returnThis,
  once: returnThis,
}
