import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'

/** Thrown to end a look-up before the request would be handled. */
const STOP = new Error('the look-up of a route is over')

/** Copies of requests that are routed only to find out which route they get. */
const probes = new WeakSet<object>()
/** Whether there was ever a probe. Most apps make none, and then nothing has to be looked up. */
let isUsed = false
let isFound = false

/** Ends the look-up of a probe. Call this first for each request to a proxied route. */
export function stopProbe(request: IncomingMessage): void {
  if (!isUsed || !probes.has(request)) return
  isFound = true
  throw STOP
}

/**
 * Whether the router of an app would give a request to a proxied route. Only the router knows, by its priorities and
 * constraints, and it has no function that says so. Therefore a copy of the request is routed, and an exception stops
 * it before any hook runs. A proxied route throws the exception in {@link stopProbe}. For any other route Fastify reads
 * the Connection field before the hooks, and that field of the copy throws. The answer is also true where the router
 * has not decided by then, because a constraint is derived asynchronously.
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
    // A `rewriteUrl` of the app may set the URL, so the property is writable.
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
/** A response that is never sent, because the look-up is stopped before. */
const silentResponse = {
  setHeader: returnThis,
  writeHead: returnThis,
  write: returnThis,
  end: returnThis,
  on: returnThis,
  once: returnThis,
}
