import type { BackendView } from '../../balancer/index.js'
import type { AdminClient } from '../admin-client.js'
import { Failure } from '../failure.js'
import { readBackends } from '../responses.js'

/**
 * Sees to it that somebody is left for requests when a backend gets none any more.
 * @param how the command would do it all the same
 * @throws {Failure} no other backend is usable
 */
export async function refuseLastUsable(client: AdminClient, id: string, how: string): Promise<void> {
  let backends: BackendView[]
  try {
    backends = await client.call('GET', '/backends', { read: readBackends })
  } catch (error) {
    // Not everybody who may drain a backend may see the others. The gateway has the last word anyhow.
    if (error instanceof Failure && error.statusCode !== undefined) return
    throw error
  }
  const leaving = backends.find((backend) => backend.id === id)
  // One that gets no request already takes nothing away.
  if (!leaving || leaving.state === 'draining' || leaving.health === 'unhealthy' || leaving.unresolved) return
  const others = backends.filter((backend) => backend !== leaving && isUsable(backend))
  if (others.length > 0) return
  const text = `${id} is the last usable backend: without it clients are answered 503; ${how}`
  throw new Failure('refused', text, 'LEASTWISE_LAST_BACKEND')
}

function isUsable({ state, health, unresolved }: BackendView): boolean {
  return state === 'active' && health !== 'unhealthy' && health !== 'ejected' && !unresolved
}
