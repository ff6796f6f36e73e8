import fp from 'fastify-plugin'
import type { HostHeader } from '../src/balancer/backends/spec.js'
import type { Balancer } from '../src/balancer/balancer.js'
import { Checks, type ChecksOptions } from '../src/balancer/health/checks.js'
import { CheckHosts } from '../src/proxy/upstream/health-check/check-hosts.js'
import { healthProbe } from '../src/proxy/upstream/health-check/health-probe.js'
import type { TlsOptionsOf } from '../src/proxy/upstream/tls/upstream-tls.js'

export interface HealthOptions extends ChecksOptions {
  balancer: Balancer
  /** Path of the checks; empty for no checks. */
  path: string
  /** Port that checks connect to; 0 for the port of the backend's requests. */
  port: number
  /** Host field of checks; empty for the Host of the backend's requests. */
  host: string
  /** Which Host field is sent to backends that have no such setting of their own. */
  hostHeader: HostHeader
  /** Milliseconds that a check may take. */
  timeout: number
  /** Statuses with which a check passes, like `200-299,401`. */
  status: string
  /** Returns the options for TLS with a backend. */
  tlsOptionsOf: TlsOptionsOf
  /** Called with the error of each check that failed. */
  onFailed(error: Error): void
}

/** Checks the backends of a pool from the moment the app is ready until it has closed. */
export const healthPlugin = fp<HealthOptions>(
  async (
    app,
    { balancer, path, port, host, hostHeader, timeout, status, tlsOptionsOf, onFailed, ...options },
  ) => {
    if (path === '') return
    const { clock, registry } = balancer
    const hosts = new CheckHosts({
      registry,
      healthHost: host,
      hostHeader,
      refused: () => balancer.registry.refusedHost,
    })
    const probe = healthProbe({ path, port, hosts, timeout, status, clock, tlsOptionsOf, onFailed })
    const checks = new Checks(registry, probe, options, clock)
    app.addHook('onReady', async () => checks.start())
    app.addHook('onClose', async () => checks.stop())
  },
  { name: 'leastwise-health', fastify: '5.x' },
)
