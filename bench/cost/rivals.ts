import type { ChildProcess } from 'node:child_process'
import { RedisServer, withoutRedis } from '../../test/support/redis-server.js'
import type { Peer } from '../peers/peer.js'
import { type ChildOptions, startScript, stop } from './child.js'
import type { Cores } from './cores.js'
import type { Node } from './nodes.js'

/** A gateway that runs, or what it is compared with. */
export interface Running {
  url: string
  pid: number
  stop(): Promise<void>
}

export interface Rival {
  name: string
  /** The Node that runs it; undefined for what is not on Node. */
  node?: Node
  /** @param backends URLs of three backends @param cores undefined where nothing is pinned */
  start(backends: string[], cores: Cores | undefined): Promise<Running>
}

export const names = {
  node: 'node:http alone',
  fastify: 'Fastify alone',
  raw: 'bare dispatch',
  httpProxy: 'http-proxy',
  silent: 'leastwise silent',
  info: 'leastwise info',
  caddy: 'Caddy',
}

/**
 * With everything on that a request could have to pay for. Second tries are watched for, but not made: one is another
 * request, which the others do not send.
 */
export const everything = { HEALTH_PATH: '/health', HEDGE: '1000' }

/** What is measured on each Node. */
export function rivalsOn(node: Node): Rival[] {
  return [
    script(node, names.node, 'node'),
    script(node, names.fastify, 'fastify'),
    script(node, names.raw, 'raw-dispatch'),
    script(node, names.httpProxy, 'http-proxy'),
    leastwise(node, names.silent, { LOG_LEVEL: 'silent' }),
    leastwise(node, names.info, { LOG_LEVEL: 'info' }),
  ]
}

/** The silent gateway with one thing changed each, which shows what that costs. */
export function featuresOn(node: Node): Rival[] {
  const changed: [name: string, env: Record<string, string>][] = [
    ['log at error', { LOG_LEVEL: 'error' }],
    ['ten routes', { BENCH_ROUTES: '10' }],
    ['no active checks', { HEALTH_PATH: '' }],
    ['no ejection, no penalty', { EJECT_MAX_PERCENT: '0', FAILURE_DECAY: '0' }],
    ['no retries', { RETRIES: '0' }],
    ['no hedging', { HEDGE: 'off' }],
    ['hedging at p95', { HEDGE: 'p95' }],
    ['no timeouts', { RESPONSE_TIMEOUT: '0', BODY_TIMEOUT: '0' }],
    ['no overload check', { MAX_EVENT_LOOP_DELAY: '0' }],
    ['no admin API', { ADMIN_PORT: 'off' }],
    ['limit of 1,000 a backend', { MAX_CONNECTIONS: '1000' }],
    ['trusted X-Forwarded', { TRUST_PROXY: 'true' }],
    ['round robin', { POLICY: 'round-robin' }],
    ['least response time', { POLICY: 'least-response-time' }],
    ['without @opentelemetry/api', importing('without-api')],
    ['traces, none recorded', { ...importing('with-sdk'), SAMPLED: '0' }],
    ['traces, all recorded', { ...importing('with-sdk'), SAMPLED: '1' }],
  ]
  return [
    ...changed.map(([name, env]) => leastwise(node, name, env)),
    script(node, 'plugin in an app', 'plugin'),
    ...(withoutRedis
      ? []
      : [sharingStore(node, 'shared store', {}), sharingStore(node, 'shared store, limit', limited)]),
  ]
}

const limited = { MAX_CONNECTIONS: '1000' }

/** The environment of a Node that imports a file of ours first. */
const importing = (name: string) => ({
  NODE_OPTIONS: `--import=${new URL(`./rivals/${name}.js`, import.meta.url)}`,
})

/** Other software, set up for as little work on a request as it can have. */
export function rivalOf(peer: Peer): Rival {
  return {
    name: peer.name,
    start: (backends, cores) =>
      peer.start({
        profile: 'plain',
        backends: backends.map((url) => ({ url })),
        ...(cores && { cpu: cores.gateway }),
      }),
  }
}

function script(node: Node, name: string, file: string): Rival {
  return { name, node, start: (backends, cores) => startRival(node, file, backends, cores) }
}

function leastwise(node: Node, name: string, env: Record<string, string>): Rival {
  return {
    name,
    node,
    start: (backends, cores) =>
      startRival(node, 'gateway', [], cores, {
        env: { BACKENDS: backends.join(), LOG_LEVEL: 'silent', ...everything, ...env },
        // What it logs is taken by a collector, as it would be from a service.
        reader: { core: cores?.load },
      }),
  }
}

/** A gateway with a store that a server of its own keeps, whose CPU time is not the gateway's. */
function sharingStore(node: Node, name: string, env: Record<string, string>): Rival {
  return {
    name,
    node,
    async start(backends, cores) {
      const ends: (() => unknown)[] = []
      const server = await RedisServer.start({ after: (end: () => unknown) => ends.push(end) })
      const running = await leastwise(node, name, { ...env, STORE: server.url }).start(backends, cores)
      return {
        ...running,
        async stop() {
          await running.stop()
          for (const end of ends) await end()
        },
      }
    },
  }
}

async function startRival(
  node: Node,
  file: string,
  backends: string[],
  cores: Cores | undefined,
  options: Omit<ChildOptions, 'core' | 'arguments' | 'node'> = {},
): Promise<Running> {
  const { child, ready } = await startScript<string>(`rivals/${file}`, {
    core: cores?.gateway,
    node: node.path,
    arguments: backends,
    ...options,
  })
  return running(child, ready)
}

function running(child: ChildProcess, url: string): Running {
  return { url, pid: child.pid as number, stop: () => stop(child) }
}
