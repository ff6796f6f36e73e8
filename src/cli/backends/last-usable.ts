import type { BackendView } from '../../balancer/index.js'
import type { AdminClient } from '../admin-client.js'
import { Failure } from '../failure.js'
import { readBackends } from '../responses.js'

/**
 * Makes sure that another backend is usable before a backend gets no more requests.
 * @param how the option by which the user insists
 * @throws {Failure} where no other backend is usable
 */
export async function refuseLastUsable(client: AdminClient, id: string, how: string): Promise<void> {
  let backends: BackendView[]
  try {
    backends = await client.call('GET', '/backends', { read: readBackends })
  } catch (error) {
    // A token that may drain a backend may not be allowed to list the others. The gateway decides in any case.
    if (error instanceof Failure && error.statusCode !== undefined) return
    throw error
  }
  const leaving = backends.find((backend) => backend.id === id)
  // A backend that already gets no requests can leave without any harm.
  if (!leaving || leaving.state === 'draining' || leaving.health === 'unhealthy' || leaving.unresolved) return
  const others = backends.filter((backend) => backend !== leaving && isUsable(backend))
  if (others.length > 0) return
  const text = `${id} is the last usable backend: without it clients are answered 503; ${how}`
  throw new Failure('refused', text, 'LEASTWISE_LAST_BACKEND')
}

function isUsable({ state, health, unresolved }: BackendView): boolean {
  return state === 'active' && health !== 'unhealthy' && health !== 'ejected' && !unresolved
}
