import { Type } from 'typebox'
import type { Registry } from '../../balancer/backends/registry.js'
import { Backend, backendExample } from './schemas.js'

/** A backend that gets no new request from now on, and what comes of that. */
export const LeavingBackend = Type.Object(
  {
    ...Backend.properties,
    warning: Type.Optional(
      Type.String({
        description:
          'What clients will notice: there where no other backend is usable, and left out otherwise.',
      }),
    ),
  },
  {
    title: 'LeavingBackend',
    description: 'A backend that gets no new request.',
    examples: [{ ...backendExample, state: 'draining' }],
  },
)

/**
 * What clients will notice when a backend gets no request any more; nothing where others are usable, or where it gets
 * none already. To be asked before that is done.
 * @throws {BackendNotFoundError}
 */
export function warningWithout(registry: Registry, id: string): { warning?: string } {
  const backend = registry.get(id)
  if (!backend.isEligible && !registry.standby.includes(backend)) return {}
  const left = registry.leftWithout(backend)
  if (left === 'nobody')
    return { warning: `no other backend than ${id} is usable: clients are answered 503 now` }
  if (left === 'sick' && backend.isUsable) {
    return { warning: `no other backend than ${id} is usable: requests go to ejected or unhealthy ones now` }
  }
  return {}
}
