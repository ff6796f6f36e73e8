import type { IncomingMessage, Server, ServerResponse } from 'node:http'

const expecting = new WeakSet<IncomingMessage>()

/**
 * Lets the backend decide about a body that was announced with Expect: 100-continue: the backend asks for it or refuses
 * it unseen (RFC 9110 section 10.1.1). Node would ask for the body at once. This is only for servers on which
 * everything is proxied, because other handlers would have to ask for the body themselves.
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
