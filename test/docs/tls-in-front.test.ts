import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { parse as parseEnv } from 'dotenv'
import { Agent, request, WebSocket } from 'undici'
import { WebSocketServer } from 'ws'
import { TestBackend } from '../support/backend.js'
import { spawn } from '../support/children.js'
import { cert, type FrontProxy, find, proxies } from '../support/front-proxies.js'
import { freePort, type GatewayProcess, root, startGateway } from '../support/process.js'

/** Where the client of these tests comes from; the proxies come from 127.0.0.1. */
const CLIENT = '127.0.0.2'

/** What the guide says to set at leastwise. */
const settings = parseEnv(readFileSync(join(root, 'docs/deploy/behind-tls.env')))

/** Passes connections on to a gateway, and counts them. */
async function relayTo(gateway: GatewayProcess): Promise<{ server: Server; connections(): number }> {
  let connections = 0
  const server = createServer((socket) => {
    connections++
    const onward = connect(Number(new URL(gateway.url).port), '127.0.0.1')
    for (const one of [socket, onward]) one.on('error', () => {})
    socket.pipe(onward).pipe(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, connections: () => connections }
}

async function untilListening(port: number, checkRunning: () => void): Promise<void> {
  for (;;) {
    checkRunning()
    const socket = connect(port, '127.0.0.1')
    const isOpen = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (isOpen) return
    await wait(10)
  }
}

describe('TLS in front', { concurrency: true }, () => {
  const backend = new TestBackend((request, response) => {
    if (request.url === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: first\n\n')
      return
    }
    request.resume().once('end', () => response.end('ok'))
  })
  const sockets = new WebSocketServer({ server: backend.server })
  sockets.on('connection', (socket, { headers }) => {
    socket.on('message', (text: Buffer) => socket.send(`${headers['x-forwarded-proto']} ${text}`))
  })
  let gateway: GatewayProcess

  before(async () => {
    await backend.listen()
    gateway = await startGateway({ ...settings, BACKENDS: backend.url })
  })
  after(async () => {
    await gateway.stop('SIGKILL')
    await backend.close()
  })

  async function start(t: TestContext, { adapt, args, file }: FrontProxy, path: string) {
    const folder = mkdtempSync(join(tmpdir(), 'leastwise-'))
    const relay = await relayTo(gateway)
    const ports = {
      http: await freePort(),
      https: await freePort(),
      gateway: (relay.server.address() as AddressInfo).port,
      admin: Number(new URL(gateway.admin).port),
    }
    const configuration = join(folder, file)
    writeFileSync(configuration, adapt(readFileSync(join(root, 'docs/deploy', file), 'utf8'), ports, folder))
    const child = spawn(path, args(configuration, folder), {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env.PATH, HOME: folder },
    })
    let said = ''
    child.stderr.on('data', (chunk) => {
      said += chunk
    })
    const hasEnded = () => child.exitCode !== null || child.signalCode !== null
    const dispatcher = new Agent({
      connect: { ca: readFileSync(cert) },
      localAddress: CLIENT,
      connections: 1,
      pipelining: 1,
    })
    t.after(async () => {
      await dispatcher.destroy()
      if (!hasEnded()) {
        child.kill('SIGKILL')
        await once(child, 'exit')
      }
      relay.server.close()
      rmSync(folder, { recursive: true })
    })
    await untilListening(ports.https, () => assert.ok(!hasEnded(), said))
    return { ports, relay, dispatcher, url: `https://localhost:${ports.https}` }
  }

  for (const proxy of proxies) {
    const path = find(proxy.program)
    const skip =
      process.platform !== 'linux'
        ? 'elsewhere there is one loopback address'
        : !path && `${proxy.program} is not installed`
    test(`${proxy.program}, as ${proxy.file} says`, { skip }, async (t) => {
      const { url, ports, relay, dispatcher } = await start(t, proxy, path as string)
      const host = new URL(url).host
      const spoofed = {
        'x-forwarded-for': '6.6.6.6',
        'x-forwarded-proto': 'gopher',
        forwarded: 'for=6.6.6.6',
      }
      const send = async (path: string, options: Parameters<typeof request>[1] = {}) => {
        const { statusCode, body } = await request(url + path, { dispatcher, ...options })
        assert.deepEqual([statusCode, await body.text()], [200, 'ok'])
        return backend.seen.findLast((one) => one.url === path)?.headers ?? {}
      }

      const headers = await send(`/${proxy.program}`, { headers: spoofed })
      assert.equal(headers['x-forwarded-for'], `${CLIENT}, 127.0.0.1`)
      assert.equal(headers['x-forwarded-proto'], 'https')
      assert.equal(headers['x-forwarded-host'], host)
      assert.equal(headers.host, host)
      assert.ok(headers.forwarded?.startsWith(`for=${CLIENT};`), headers.forwarded)
      assert.equal(headers['accept-encoding'], undefined)
      const line = await gateway.line(({ path }) => path === `/${proxy.program}`)
      assert.deepEqual([line.remoteAddress, line.clientAddress], ['127.0.0.1', CLIENT])

      const before = relay.connections()
      await send('/upload', { method: 'POST', body: Buffer.alloc(2_000_000) })
      for (let i = 0; i < 7; i++) await send('/again')
      // A proxy may get the next request before it has put the last one's connection aside.
      const made = relay.connections() - before
      assert.ok(made < 4, `connections to the gateway are kept: ${made} were made for 8 requests`)

      const events = await request(`${url}/events`, { dispatcher })
      const [first] = await once(events.body, 'data')
      assert.equal(String(first), 'data: first\n\n')
      events.body.destroy()

      const socket = new WebSocket(url.replace('https', 'wss'), { dispatcher })
      await new Promise((resolve, reject) => {
        socket.addEventListener('open', resolve)
        socket.addEventListener('error', reject)
      })
      socket.send('hello')
      const answer = await new Promise<string>((resolve) => {
        socket.addEventListener('message', ({ data }) => resolve(String(data)))
      })
      assert.equal(answer, 'https hello')
      socket.close()

      if (proxy.http2) {
        // The type of the options lacks the local address, so it must not be a literal.
        const options = { ca: readFileSync(cert), localAddress: CLIENT }
        const session = connectHttp2(url, options)
        const [head] = await once(session.request({ ':path': `/http2/${proxy.program}` }), 'response')
        session.destroy()
        assert.equal(head[':status'], 200)
        const headers = backend.seen.findLast((one) => one.url === `/http2/${proxy.program}`)?.headers
        assert.deepEqual([headers?.host, headers?.['x-forwarded-host']], [host, host])
        assert.equal(headers?.['x-forwarded-for'], `${CLIENT}, 127.0.0.1`)
      }

      const plain = await request(`http://localhost:${ports.http}/a`, { dispatcher })
      await plain.body.dump()
      assert.equal(plain.statusCode, 308)
      assert.match(String(plain.headers.location), /^https:\/\/localhost[:/]/)
    })
  }
})
