import type { BackendView } from '../../balancer/index.js'
import type { AdminClient } from '../admin-client.js'
import { Failure } from '../failure.js'
import { readBackends } from '../responses.js'

/**
 * Throws unless at least one other backend is usable when a backend is about to get no more requests.
 * @param how name of the option with which the user can insist
 * @throws {Failure} if no other backend is usable
 */
export async function refuseLastUsable(client: AdminClient, id: string, how: string): Promise<void> {
  let backends: BackendView[]
  try {
    backends = await client.call('GET', '/backends', { read: readBackends })
  } catch (error) {
    // The token may be allowed to drain a backend but not to list the others. The gateway checks the call itself in any
    // case.
    if (error instanceof Failure && error.statusCode !== undefined) return
    throw error
  }
  const leaving = backends.find((backend) => backend.id === id)
  // Clients do not notice the departure of a backend that gets no requests anyway.
  if (!leaving || leaving.state === 'draining' || leaving.health === 'unhealthy' || leaving.unresolved) return
  const others = backends.filter((backend) => backend !== leaving && isUsable(backend))
  if (others.length > 0) return
  const text = `${id} is the last usable backend: without it clients are answered 503; ${how}`
  throw new Failure('refused', text, 'LEASTWISE_LAST_BACKEND')
}

function isUsable({ state, health, unresolved }: BackendView): boolean {
  return state === 'active' && health !== 'unhealthy' && health !== 'ejected' && !unresolved
}
