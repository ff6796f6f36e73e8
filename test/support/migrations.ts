import assert from 'node:assert/strict'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { TestBackend } from './backend.js'
import { spawn } from './children.js'
import { freePort, root, startGateway } from './process.js'

/** A proxy whose configuration has a counterpart in a file of the gateway. */
export interface Origin {
  program: 'nginx' | 'caddy'
  /** The configuration, in `docs/deploy/from-…`. */
  file: string
  /** What runs the configuration on a port of loopback. */
  adapt(configuration: string, port: number, folder: string): string
  args(file: string, folder: string): string[]
}

export const origins: Record<Origin['program'], Origin> = {
  nginx: {
    program: 'nginx',
    file: 'shop.conf',
    adapt(configuration, port, folder) {
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      return `daemon off; master_process off; pid ${folder}/pid; error_log stderr crit; events {}
http { access_log off; ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
${configuration
  .replaceAll('listen 8080', `listen 127.0.0.1:${port}`)
  .replace('user_file users', `user_file ${folder}/users`)
  .replace('proxy_read_timeout 5s', 'proxy_read_timeout 300ms')}}`
    },
    args: (file, folder) => ['-p', folder, '-c', file, '-e', 'stderr'],
  },
  caddy: {
    program: 'caddy',
    file: 'Caddyfile',
    adapt: (configuration, port) => `{
	admin off
	auto_https off
	http_port ${port}
	default_bind 127.0.0.1
	log {
		output discard
	}
}
${configuration.replace('response_header_timeout 5s', 'response_header_timeout 300ms')}`,
    args: (file) => ['run', '--config', file, '--adapter', 'caddyfile'],
  },
}

/** A backend that tells what reached it, and answers nothing where the path ends with `slow`. */
function telling(pool: string): TestBackend {
  const backend = new TestBackend((incoming, response) => {
    const { url = '', headers } = incoming
    if (url.endsWith('slow')) return
    const told = { pool, path: url, headers, padding: 'x'.repeat(2000) }
    response.setHeader('content-type', 'text/html')
    response.setHeader('x-powered-by', 'PHP')
    incoming.resume().once('end', () => response.end(JSON.stringify(told)))
  })
  backend.server.on('upgrade', ({ url }, socket) => {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Told: ${pool} ${url}\r\n\r\n`,
    )
    socket.on('error', () => {})
    socket.resume().once('end', () => socket.destroy())
  })
  return backend
}

/** Names of pools by the third number of the addresses that the files have. */
const POOLS = ['users', 'chat', 'pages', 'next']

/** Starts a proxy with its file, and a gateway with the counterpart, before the same backends. @returns their ports */
export async function startBoth(
  t: TestContext,
  { program, file, adapt, args }: Origin,
  path: string,
): Promise<{ proxy: number; gateway: number; seenBy(pool: string): string[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'leastwise-'))
  t.after(() => rmSync(folder, { recursive: true }))
  cpSync(join(root, 'docs/deploy', `from-${program}`), folder, { recursive: true })
  const backends = new Map<string, TestBackend>()
  const texts = [file, 'gateway.yaml'].map((name) => readFileSync(join(folder, name), 'utf8'))
  for (const [address, pool] of texts.join().matchAll(/10\.0\.(\d)\.\d:8080/g)) {
    if (backends.has(address)) continue
    const backend = await telling(POOLS[Number(pool)] as string).listen()
    backends.set(address, backend)
    t.after(() => backend.close())
  }
  const live = (text: string) =>
    text.replace(/10\.0\.\d\.\d:8080/g, (address) => `127.0.0.1:${backends.get(address)?.port}`)
  const [configuration = '', counterpart = ''] = texts.map(live)

  const port = await freePort()
  writeFileSync(join(folder, file), adapt(configuration, port, folder))
  const child = spawn(path, args(join(folder, file), folder), {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env.PATH, HOME: folder },
  })
  let said = ''
  child.stderr.on('data', (chunk) => {
    said += chunk
  })
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  t.after(async () => {
    if (hasEnded()) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  writeFileSync(
    join(folder, 'gateway.yaml'),
    counterpart
      .replace(/host: 0\.0\.0\.0, port: \d+/, 'host: 127.0.0.1, port: 0')
      .replace(/(response(?:Timeout)?): 5000/, '$1: 300'),
  )
  const gateway = await startGateway({
    CONFIG_FILE: join(folder, 'gateway.yaml'),
    AFFINITY_SECRET: '0123456789abcdef',
  })
  t.after(() => gateway.stop('SIGKILL'))
  while (!(await accepts(port))) {
    assert.ok(!hasEnded(), said)
    await wait(10)
  }
  const of = (pool: string) => [...backends].filter(([address]) => POOLS[Number(address[5])] === pool)
  return {
    proxy: port,
    gateway: Number(new URL(gateway.url).port),
    seenBy: (pool) => of(pool).flatMap(([, { seen }]) => seen.map(({ url }) => url)),
  }
}

function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

/** A request, as a client sends it. */
export interface Ask {
  host: string
  path: string
  method?: string
  headers?: Record<string, string>
  body?: Buffer
  /** Address of the client. */
  from?: string
}

/** What came of a request, as the client and the backend see it. */
export interface Outcome {
  status: number
  headers: IncomingHttpHeaders
  /** Undefined where no backend had it. */
  backend: { pool: string; path: string; headers: IncomingHttpHeaders } | undefined
}

export async function ask(
  port: number,
  { host, path, method = 'GET', headers, body, from }: Ask,
): Promise<Outcome> {
  const sent = request({
    port,
    host: '127.0.0.1',
    localAddress: from ?? '127.0.0.1',
    method,
    path,
    headers: { host, ...headers },
    agent: false,
  })
  sent.on('error', () => {})
  sent.end(body)
  const [response, socket] = (await Promise.race([once(sent, 'response'), once(sent, 'upgrade')])) as [
    import('node:http').IncomingMessage,
    import('node:net').Socket?,
  ]
  const { statusCode = 0, headers: received } = response
  if (socket) {
    socket.destroy()
    const [pool = '', told = ''] = String(received['x-told']).split(' ')
    return { status: statusCode, headers: received, backend: { pool, path: told, headers: {} } }
  }
  const bytes = await buffer(response)
  const text = received['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes
  const isTold = text.toString().startsWith('{"pool"')
  return { status: statusCode, headers: received, backend: isTold ? JSON.parse(text.toString()) : undefined }
}
