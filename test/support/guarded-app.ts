import Fastify, { type FastifyInstance } from 'fastify'
import { authPlugin } from '../../plugins/auth.js'
import type { KeySetSource } from '../../src/auth/keys/key-set-source.js'
import { KeySets } from '../../src/auth/keys/key-sets.js'
import { type Clock, systemClock } from '../../src/balancer/time/clock.js'
import type { AuthConfig } from '../../src/config/file/gateway-config.js'
import leastwise, { type LeastwiseOptions } from '../../src/index.js'

interface GuardedOptions extends LeastwiseOptions {
  keySets?: KeySetSource
  clock?: Clock
}

/** An app with a pool that only requests with credentials reach, its address, and the scope around the pool. */
export async function guardedApp(
  t: { after(end: () => unknown): void },
  auth: AuthConfig,
  { keySets = new KeySets(), clock = systemClock, ...options }: GuardedOptions,
): Promise<{ url: string; scope: FastifyInstance }> {
  const app: FastifyInstance = Fastify({ forceCloseConnections: true })
  t.after(() => app.close())
  let scope = app
  await app.register(async (guarded) => {
    scope = guarded
    await guarded.register(authPlugin, { auth, keySets, clock })
    await guarded.register(leastwise, options)
  })
  return { url: await app.listen({ port: 0, host: '127.0.0.1' }), scope }
}
