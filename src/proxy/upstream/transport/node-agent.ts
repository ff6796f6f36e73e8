import { Agent } from 'node:http'
import { Agent as TlsAgent } from 'node:https'

/** The method by which Node's agent gives a request a connection. The types of Node leave it out. */
interface AgentInternals {
  addRequest(...parameters: unknown[]): void
}

/**
 * Makes Node's agent for the connections to one backend. A kept connection on which bytes arrive without a request is
 * closed, because the next request would take these bytes for its response.
 * @param keepAliveMs milliseconds that a connection without a request is kept; 0 if each request gets a new connection
 */
export function keepAliveAgent(secure: boolean, keepAliveMs: number): Agent {
  const options = {
    keepAlive: keepAliveMs > 0,
    timeout: keepAliveMs,
    scheduling: 'lifo',
    noDelay: true,
  } as const
  // Node would resume a session also after other authorities or another certificate have come into force.
  const agent = (secure ? new TlsAgent({ ...options, maxCachedSessions: 0 }) : new Agent(options)) as Agent &
    AgentInternals
  const { keepSocketAlive, reuseSocket, addRequest } = agent
  agent.addRequest = function (...parameters) {
    forgetDestroyed(this)
    addRequest.apply(this, parameters)
  }
  agent.keepSocketAlive = function (socket) {
    const isKept = Boolean(keepSocketAlive.call(this, socket)) && this.maxFreeSockets > 0
    if (isKept) socket.on('data', destroy)
    return isKept
  }
  agent.reuseSocket = function (socket, request) {
    socket.off('data', destroy)
    reuseSocket.call(this, socket, request)
  }
  return agent
}

/**
 * Removes kept connections that are destroyed but have not emitted `close` yet. Node's agent checks only the first of
 * the kept connections, and uses the last.
 */
function forgetDestroyed({ freeSockets }: Agent): void {
  for (const kept of Object.values(freeSockets)) {
    while (kept?.at(-1)?.destroyed) kept.pop()
  }
}

function destroy(this: { destroy(): void }): void {
  this.destroy()
}
