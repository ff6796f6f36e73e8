import type { ChildProcess } from 'node:child_process'
import type { Peer } from '../peers/peer.js'
import { type ChildOptions, startScript, stop } from './child.js'
import type { Cores } from './cores.js'

/** A gateway that runs, or what it is compared with. */
export interface Running {
  url: string
  pid: number
  stop(): Promise<void>
}

export interface Rival {
  name: string
  /** @param backends URLs of three backends @param cores undefined where nothing is pinned */
  start(backends: string[], cores: Cores | undefined): Promise<Running>
}

export const names = {
  fastify: 'Fastify, no proxy',
  node: 'node:http dispatch',
  raw: 'Fastify dispatch',
  httpProxy: 'http-proxy',
  silent: 'leastwise silent',
  info: 'leastwise info',
  caddy: 'Caddy',
}

/**
 * With everything on that a request could have to pay for. Second tries are watched for, but not made: one is another
 * request, which the others do not send.
 */
const everything = { HEALTH_PATH: '/health', HEDGE: '1000' }

export const rivals: Rival[] = [
  { name: names.fastify, start: (_backends, cores) => startRival('fastify', [], cores) },
  { name: names.node, start: (backends, cores) => startRival('node-dispatch', backends, cores) },
  { name: names.raw, start: (backends, cores) => startRival('raw-dispatch', backends, cores) },
  { name: names.httpProxy, start: (backends, cores) => startRival('http-proxy', backends, cores) },
  leastwise(names.silent, { LOG_LEVEL: 'silent' }),
  leastwise(names.info, { LOG_LEVEL: 'info' }),
]

/** The silent gateway with one thing changed each, which shows what that costs. */
export const features: Rival[] = [
  leastwise('log at error', { LOG_LEVEL: 'error' }),
  leastwise('no active checks', { HEALTH_PATH: '' }),
  leastwise('no ejection, no penalty', { EJECT_MAX_PERCENT: '0', FAILURE_DECAY: '0' }),
  leastwise('no retries', { RETRIES: '0' }),
  leastwise('no hedging', { HEDGE: 'off' }),
  leastwise('hedging at p95', { HEDGE: 'p95' }),
  leastwise('no timeouts', { RESPONSE_TIMEOUT: '0', BODY_TIMEOUT: '0' }),
  leastwise('no overload check', { MAX_EVENT_LOOP_DELAY: '0' }),
  leastwise('no admin API', { ADMIN_PORT: 'off' }),
  leastwise('limit of 1,000 a backend', { MAX_CONNECTIONS: '1000' }),
  leastwise('trusted X-Forwarded', { TRUST_PROXY: 'true' }),
  leastwise('round robin', { POLICY: 'round-robin' }),
  leastwise('least response time', { POLICY: 'least-response-time' }),
  { name: 'plugin in an app', start: (backends, cores) => startRival('plugin', backends, cores) },
]

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

function leastwise(name: string, env: Record<string, string>): Rival {
  return {
    name,
    start: (backends, cores) =>
      startRival('gateway', [], cores, {
        env: { BACKENDS: backends.join(), LOG_LEVEL: 'silent', ...everything, ...env },
        // What it logs is taken by a collector, as it would be from a service.
        reader: { core: cores?.load },
      }),
  }
}

async function startRival(
  script: string,
  backends: string[],
  cores: Cores | undefined,
  options: Omit<ChildOptions, 'core' | 'arguments'> = {},
): Promise<Running> {
  const { child, ready } = await startScript<string>(`rivals/${script}`, {
    core: cores?.gateway,
    arguments: backends,
    ...options,
  })
  return running(child, ready)
}

function running(child: ChildProcess, url: string): Running {
  return { url, pid: child.pid as number, stop: () => stop(child) }
}
