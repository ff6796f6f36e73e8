import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'

/** Ends a look-up when it has come as far as it should. */
const STOP = new Error('the look-up of a route is over')

/** Requests that only ask which route they would get. */
const probes = new WeakSet<object>()
/** Whether there was ever one of these; most apps have none. */
let isUsed = false
let isFound = false

/** To be called with each request to a proxied route, before anything else is done with it. */
export function answerProbe(request: IncomingMessage): void {
  if (!isUsed || !probes.has(request)) return
  isFound = true
  throw STOP
}

/**
 * Whether the router of an app would give a request to a proxied route. Only the router knows, with its priorities and
 * constraints, and it has no call that tells: so a copy of the request is routed, and stopped by an exception before any
 * hook runs. A proxied route throws it in {@link answerProbe}; with any other route Fastify reads the Connection field
 * before the hooks, and reading that of the copy throws it. True as well where the router has not decided when it returns,
 * as with constraints that are derived asynchronously.
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
    // An app may rewrite it.
    url: { value: request.url, writable: true },
  })
  isUsed = true
  probes.add(probe)
  isFound = false
  try {
    app.routing(probe, nobody as unknown as ServerResponse)
    return true
  } catch (error) {
    if (error !== STOP) app.log.debug(error, 'the route of an upgrade could not be looked up')
    return isFound
  }
}

/** Whether the router looks for a route at all: it answers all other URLs itself. */
function isRoutable(url: string): boolean {
  try {
    decodeURI(url)
    return url.startsWith('/') || /^https?:\/\//i.test(url)
  } catch {
    return false
  }
}

const nothing = () => nobody
const nobody = {
  setHeader: nothing,
  writeHead: nothing,
  write: nothing,
  end: nothing,
  on: nothing,
  once: nothing,
}
