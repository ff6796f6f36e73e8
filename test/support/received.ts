import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { TestContext } from 'node:test'

/** Starts a server without anything of ours, and returns the one request that a client has sent to it as text. */
export async function received(t: TestContext, text: string) {
  const server = createServer()
  t.after(() => server.closeAllConnections())
  t.after(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.after(() => client.destroy())
  client.write(text)
  const [request, response] = (await once(server, 'request')) as [IncomingMessage, ServerResponse]
  return { server, client, request, response, socket: request.socket }
}
