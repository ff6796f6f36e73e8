import type { IncomingMessage, Server, ServerResponse } from 'node:http'

const expecting = new WeakSet<IncomingMessage>()

/**
 * Leaves it to the backend to ask for a body that was announced with Expect: 100-continue, or to refuse it unseen (RFC
 * 9110 section 10.1.1). Node would ask for it at once. This is for servers on which everything is proxied, as other
 * handlers would have to ask for the body themselves.
 */
export function forwardExpectations(server: Server): void {
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    expecting.add(request)
    server.emit('request', request, response)
  })
}

/** Whether the client waits for 100 (Continue) before it sends the body of a request. */
export function expectsContinue(request: IncomingMessage): boolean {
  return expecting.has(request)
}
