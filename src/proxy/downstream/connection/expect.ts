import type { IncomingMessage, Server, ServerResponse } from 'node:http'

const waiting = new WeakSet<IncomingMessage>()

/**
 * Leaves it to the backend to ask for a body that was announced with Expect: 100-continue, or to refuse it
 * unseen (RFC 9110 section 10.1.1). Node would ask for it at once. For servers on which everything is
 * proxied: whoever else gets such a request would have to ask for the body himself.
 */
export function forwardExpectations(server: Server): void {
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    waiting.add(request)
    server.emit('request', request, response)
  })
}

/** Whether a client still waits to be asked for the body of this request. */
export function expectsContinue(request: IncomingMessage): boolean {
  return waiting.has(request)
}
