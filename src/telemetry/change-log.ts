import type { FastifyBaseLogger } from 'fastify'
import type { Balancer } from '../balancer/balancer.js'
import type { StateKeeper } from '../balancer/state/keeper.js'
import { logFleet } from './fleet-log.js'

const conditions = {
  healthy: 'backend is healthy',
  unknown: 'backend is used again',
  unhealthy: 'backend is unhealthy: its checks fail',
  ejected: 'backend is ejected: its requests fail',
}

/** Logs every change of a pool and of its backends, for the person on call. */
export function logChanges(
  log: FastifyBaseLogger,
  { registry, keeper, workers }: Balancer,
  pool: string,
): void {
  keeper?.on('failed', ({ message }) => log.error({ pool, event: 'state not saved' }, message))
  keeper?.on('recovered', () => log.info({ pool, event: 'state saved' }, 'all changes are stored again'))
  if (keeper) logStore(log, keeper, pool)
  const status = keeper?.fleet?.status
  if (status) logFleet(log, status)
  workers?.on('unanswered', ({ number }, { message }) =>
    log.warn(
      { pool, event: 'worker unanswered', worker: number },
      `an answer is without a worker: ${message}`,
    ),
  )
  for (const event of ['added', 'updated', 'draining', 'drained', 'activated', 'removed'] as const) {
    registry.on(event, ({ id, url, state, health, weight, inFlight }) => {
      log.info({ pool, event, backend: id, url, state, health, weight, inFlight }, `backend ${event}`)
    })
  }
  registry.on('health', ({ id, url, state, health, inFlight, lastCheck, ejectedUntil, unresolved }) => {
    const line = { pool, event: 'health', backend: id, url, state, health, inFlight }
    if (unresolved !== undefined) {
      log.warn(
        { ...line, reason: unresolved },
        `backend is not used: its name cannot be resolved (${unresolved})`,
      )
    } else if (health === 'unhealthy') log.warn({ ...line, lastCheck: lastCheck?.detail }, conditions[health])
    else if (health === 'ejected') log.warn({ ...line, until: ejectedUntil }, conditions[health])
    else log.info(line, conditions[health])
  })
  registry.on('cut', ({ id }, requests) => {
    log.warn({ pool, event: 'cut', backend: id, requests }, "backend's requests in flight are cut")
  })
  registry.on('panic', (panic) => {
    if (panic) log.warn({ pool, event: 'panic' }, 'too few usable backends: their health is ignored')
    else log.info({ pool, event: 'panic over' }, 'enough usable backends again')
  })
  let outage = false
  const checkOutage = () => {
    // Where an operator has drained or removed every backend, this is not logged as an outage.
    const active = registry.list().some(({ state }) => state === 'active')
    const now = active && !registry.serves
    if (now === outage) return
    outage = now
    if (outage) log.error({ pool, event: 'outage' }, 'no usable backend: requests are answered 503')
    else log.info({ pool, event: 'outage over' }, 'there is a usable backend again, or none is meant to be')
  }
  for (const event of ['added', 'draining', 'activated', 'health', 'removed'] as const)
    registry.on(event, checkOutage)
}

/** Logs how a pool is in line with a store that other gateways share. */
function logStore(log: FastifyBaseLogger, keeper: StateKeeper, pool: string): void {
  const { awayAtStart, failure } = keeper
  if (awayAtStart) {
    log.warn(
      { pool, event: 'store away at start', reason: awayAtStart.message },
      'the store does not answer: the pool begins as its configuration says, and changes are refused until the store is there',
    )
  }
  // It could not be told before there was a log.
  if (failure) log.error({ pool, event: 'state not saved' }, failure.message)
  keeper.on('joined', () =>
    log.info({ pool, event: 'store joined' }, 'the store is there: what it has is in force'),
  )
  keeper.on('restored', () =>
    log.warn({ pool, event: 'state restored' }, 'the store had lost the state: it was written again'),
  )
  keeper.on('outOfStep', ({ message }) =>
    log.error(
      { pool, event: 'out of step', reason: message },
      `what other gateways have stored cannot be used here, and the pool stays as it is: ${message}`,
    ),
  )
  keeper.on('inStep', () => log.info({ pool, event: 'in step' }, 'what is stored is in force here again'))
}
