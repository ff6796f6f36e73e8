import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'

/** Ends a look-up when it has come as far as it should. */
const STOP = new Error('the look-up of a route is over')

/** Requests that only ask which route they would get. */
const probes = new WeakSet<object>()
/** There was one: most apps never have any. */
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
 * constraints, and it does not tell: so it is given a request that is like the one in question, and is stopped before
 * any hook runs. A proxied route does so itself. With any other, Fastify looks for a Connection field before the hooks,
 * and finds an end. True as well where it takes its time, as with constraints that are derived asynchronously.
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

/** For others the router has an answer of its own, which nobody waits for here. */
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
