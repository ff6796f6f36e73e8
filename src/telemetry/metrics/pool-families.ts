import type { Balancer } from '../../balancer/balancer.js'
import { type Family, histogram, type Labels, type MeteredPool, type Sample, sample } from './family.js'

type Kind = Pick<Family, 'name' | 'type' | 'help'>

/** Makes a family with lines for a pool as a whole. */
function perPool(kind: Kind, lines: (pool: MeteredPool, labels: Labels) => Sample[]): Family {
  return { ...kind, of: (pool) => [lines(pool, { pool: pool.name })] }
}

function number(
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  value: (balancer: Balancer) => number,
): Family {
  return perPool({ name, type, help }, ({ balancer }, own) => [sample(own, value(balancer))])
}

/** The metrics of a pool as a whole. */
export const poolFamilies: readonly Family[] = [
  perPool(
    { name: 'leastwise_pool_info', type: 'gauge', help: 'Always 1; the label says which policy is in force' },
    ({ balancer }, own) => [sample(own, 1, { policy: balancer.policy })],
  ),
  number('gauge', 'leastwise_pool_backends', 'Registered backends', ({ registry }) => registry.size),
  number(
    'gauge',
    'leastwise_pool_eligible_backends',
    'Backends that requests are given to',
    ({ registry }) => registry.eligible.length,
  ),
  number(
    'gauge',
    'leastwise_pool_panic',
    '1 while too few backends are healthy and their health is ignored',
    ({ registry }) => Number(registry.panicking),
  ),
  number('gauge', 'leastwise_pool_closing', '1 from the start of a shutdown', ({ closing }) =>
    Number(closing),
  ),
  number(
    'gauge',
    'leastwise_queue_length',
    'Requests that wait because every backend is at its limit',
    (balancer) => balancer.view().queue.length,
  ),
  number(
    'gauge',
    'leastwise_queue_limit',
    'Largest number of requests that may wait in the queue',
    (balancer) => balancer.view().queue.limit,
  ),
  perPool(
    {
      name: 'leastwise_queue_wait_seconds',
      type: 'histogram',
      help: 'Time in the queue of requests that had to wait, whatever their outcome',
    },
    ({ counters }, own) => histogram('leastwise_queue_wait_seconds', own, counters.queueWait),
  ),
  number(
    'counter',
    'leastwise_retries_total',
    'Retries of requests that failed on a backend',
    (balancer) => balancer.view().retries,
  ),
  number(
    'counter',
    'leastwise_hedges_total',
    'Hedges: requests that a second backend was asked while the first had not responded',
    ({ hedging }) => hedging.sent,
  ),
  number(
    'counter',
    'leastwise_hedges_won_total',
    'Hedges whose response came first',
    ({ hedging }) => hedging.won,
  ),
  number(
    'counter',
    'leastwise_state_save_failures_total',
    'Saves of the registered backends and the policy that failed; 0 where they are not saved',
    ({ keeper }) => keeper?.failures ?? 0,
  ),
  number(
    'gauge',
    'leastwise_state_unsaved',
    '1 while a change is in force that could not be saved',
    ({ keeper }) => Number(keeper?.failure !== undefined),
  ),
  number(
    'gauge',
    'leastwise_state_out_of_step',
    '1 while what other gateways have stored cannot be used here',
    ({ keeper }) => Number(keeper?.outOfStep !== undefined),
  ),
  perPool(
    {
      name: 'leastwise_errors_total',
      type: 'counter',
      help: 'Requests that the gateway answered itself, or cut, by the code of the error',
    },
    ({ counters }, own) => [...counters.errors].map(([error, count]) => sample(own, count, { error })),
  ),
]
