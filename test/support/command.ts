import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type Ended, root, start } from './process.js'

/** The command of the package. */
export const bin = join(root, 'dist/src/cli/main.js')

/** Runs commands, each given as one line, with such an environment. */
export function commandsWith(env: Record<string, string>): (line: string) => Promise<Ended> {
  return (line) => start([bin, ...line.split(' ')], { env }).ended
}

export interface FakeGateway {
  url: string
  server: Server
  close(): void
}

/** Answers as a gateway with one backend, so many requests; the others wait for ever. */
export async function fakeGateway(id: string, answers = Number.POSITIVE_INFINITY): Promise<FakeGateway> {
  const latency = { ewma: 0, p50: 0, p99: 0 }
  const counts = { inFlight: 0, total: 0, failed: 0, weight: 1, maxConnections: null }
  const backend = { id, url: 'http://a', state: 'active', health: 'unknown', latency, ...counts }
  const pool = {
    policy: 'p',
    backends: 1,
    eligible: 1,
    panic: false,
    inFlight: 0,
    queue: { length: 0, limit: 0 },
    closing: false,
  }
  let left = answers
  const server = createServer((request, response) => {
    if (left-- > 0) response.end(JSON.stringify(request.url === '/pool' ? pool : { backends: [backend] }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    server,
    close() {
      server.close()
      server.closeAllConnections()
    },
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  }
}
