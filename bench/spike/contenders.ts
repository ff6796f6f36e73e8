import { fileURLToPath } from 'node:url'
import { request } from 'undici'
import { freePort } from '../../test/support/process.js'
import { findPeers } from '../peers/find.js'
import type { Peer, PeerHealth } from '../peers/peer.js'
import { HEALTH } from '../rig/backend.js'
import { type RunningProxy, runInForeground } from '../rig/foreground.js'

/** Checks as leastwise has them by default; everybody gets the same. */
const health: PeerHealth = { path: HEALTH, interval: 2000, timeout: 1000, fall: 3, rise: 2 }

const server = fileURLToPath(new URL('../../src/gateway/main.js', import.meta.url))

export interface RunningContender extends RunningProxy {
  /** Tells it of a backend that is there from now on; without it, it has to find out. */
  join?(url: string): Promise<void>
}

/** Somebody who balances. */
export interface Contender {
  name: string
  kind: 'leastwise' | 'peer'
  /** Of a peer. */
  version?: string
  /**
   * @param backends those that are there
   * @param later one that is not there yet
   */
  start(backends: string[], later?: string): Promise<RunningContender>
}

/** leastwise as it is meant to run, in every way that is to be compared. */
const ways: [name: string, env: Record<string, string>][] = [
  ['round-robin', { POLICY: 'round-robin' }],
  ['least-connections', { POLICY: 'least-connections' }],
  ['least-response-time', { POLICY: 'least-response-time' }],
  ['least-connections, hedged', { POLICY: 'least-connections', HEDGE: 'p95' }],
  ['least-response-time, hedged', { POLICY: 'least-response-time', HEDGE: 'p95' }],
]

/** Everybody there is here, and the names of those that are not installed. */
export async function findContenders(): Promise<{ contenders: Contender[]; missing: string[] }> {
  const { found, missing } = await findPeers()
  return { contenders: [...ways.map(([name, env]) => leastwise(name, env)), ...found.map(peer)], missing }
}

function leastwise(name: string, env: Record<string, string>): Contender {
  return {
    name,
    kind: 'leastwise',
    async start(backends) {
      const adminPort = await freePort()
      const running = await runInForeground(name, ({ port }) => ({
        command: [process.execPath, server],
        env: {
          PORT: String(port),
          ADMIN_PORT: String(adminPort),
          BACKENDS: backends.join(),
          HEALTH_PATH: health.path,
          // As nginx and Caddy have it.
          RETRIES: '2',
          RETRY_STATUS: '500,502-504',
          LOG_LEVEL: 'silent',
          ...env,
        },
      }))
      return { ...running, join: (url) => register(`http://127.0.0.1:${adminPort}`, url) }
    },
  }
}

async function register(admin: string, url: string): Promise<void> {
  const { statusCode, body } = await request(`${admin}/backends`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ url }),
  })
  const text = await body.text()
  if (statusCode !== 201) throw new Error(text)
}

/** Who cannot be told of a backend while running has it from the start. */
function peer({ name, version, start }: Peer): Contender {
  return {
    name,
    kind: 'peer',
    version,
    start: (backends, later) =>
      start({
        profile: 'resilient',
        backends: [...backends, ...(later ? [later] : [])].map((url) => ({ url })),
        health,
      }),
  }
}
