import fp from 'fastify-plugin'
import { healthProbe } from '../src/adapters/health-probe.js'
import type { Balancer } from '../src/balancer/balancer.js'
import { Checks, type ChecksOptions } from '../src/balancer/checks.js'

export interface HealthOptions extends ChecksOptions {
  balancer: Balancer
  /** Empty for no checks. */
  path: string
  /** Milliseconds that a check may take. */
  timeout: number
  /** Statuses that pass, like `200-299,401`. */
  status: string
  /** Told of what checks fail with. */
  onFailed(error: Error): void
}

/** Checks the backends of a pool from the moment the app is ready until it has closed. */
export const healthPlugin = fp<HealthOptions>(
  async (app, { balancer, path, timeout, status, onFailed, ...options }) => {
    if (path === '') return
    const { clock, registry } = balancer
    const checks = new Checks(
      registry,
      healthProbe({ path, timeout, status, clock, onFailed }),
      options,
      clock,
    )
    app.addHook('onReady', async () => checks.start())
    app.addHook('onClose', async () => checks.stop())
  },
  { name: 'leastwise-health', fastify: '5.x' },
)
