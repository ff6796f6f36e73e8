import type { PoolSnapshot } from '../../admin/contract/pool-events.js'
import { isOutOfUse } from './backend-status.js'
import { count, decimal, duration, percent } from './format.js'
import type { Rates } from './rates.js'
import type { Status } from './status-banner.js'

/** The part of a pool's requests, from 0 to 1, that may fail before the page shows a warning. */
const TOLERABLE_FAILURES = 0.01

/** Reasons for which the gateway itself responds with 503, by error code. */
const reasons: Record<string, string> = {
  LEASTWISE_NO_BACKEND: 'no backend is usable',
  LEASTWISE_QUEUE_FULL: 'the queue is full',
  LEASTWISE_QUEUE_TIMEOUT: 'they waited too long in the queue',
  LEASTWISE_OVERLOADED: 'the gateway itself is overloaded',
  LEASTWISE_STOPPED: 'the gateway was stopped',
}

/** The status of a pool, with one sentence for each thing that needs attention. */
export function poolStatusOf({ at, pool, backends }: PoolSnapshot, rates: Rates): Status {
  const bad: string[] = []
  const warnings: string[] = []
  const active = backends.filter(({ state }) => state === 'active')
  const named = (test: (backend: (typeof backends)[0]) => boolean) => {
    const ids = backends.filter(test).map(({ id }) => id)
    return ids.length > 4 ? `${ids.slice(0, 3).join(', ')} and ${count(ids.length - 3)} more` : ids.join(', ')
  }

  const { refused } = rates.pool
  if (refused > 0) {
    const who = refused === 1 ? '1 client' : `${decimal(refused)} clients`
    const verb = refused === 1 ? 'gets' : 'get'
    bad.push(`${who} a second ${verb} 503 now: ${reasons[rates.refusal ?? ''] ?? rates.refusal}.`)
  }
  if (pool.closing) warnings.push('The gateway shuts down.')
  const { store } = pool
  if (store?.awaySince) {
    const since = duration(Date.parse(at) - Date.parse(store.awaySince))
    warnings.push(`${store.name} has not answered for ${since}: requests go on, and changes are refused.`)
  }
  if (backends.length === 0) warnings.push('There is no backend: requests are answered 503.')
  else if (pool.eligible === 0) bad.push('No usable backend: requests are answered 503.')
  if (pool.panic) bad.push('Too few healthy backends: requests go to sick ones as well.')
  if (pool.queue.length > 0) {
    const { length, limit } = pool.queue
    const text = `${count(length)} requests wait: every backend is at its limit.`
    if (length >= limit) bad.push(`The queue is full, further requests are answered 503. ${text}`)
    else warnings.push(text)
  }
  const { requests, failures } = rates.pool
  if (failures > TOLERABLE_FAILURES * requests && requests > 0) {
    const [worst] = backends
      .map((backend) => ({ id: backend.id, rate: rates.of(backend).failures }))
      .sort((a, b) => b.rate - a.rate)
    warnings.push(`${percent(failures / requests)} of requests fail at a backend, most at ${worst?.id}.`)
  }
  const sick = active.filter(isOutOfUse)
  if (sick.length > 0) {
    const verb = sick.length === 1 ? 'is' : 'are'
    const who = named((backend) => backend.state === 'active' && isOutOfUse(backend))
    warnings.push(`${count(sick.length)} of ${count(backends.length)} backends ${verb} out: ${who}.`)
  }
  const draining = backends.length - active.length
  if (draining > 0) {
    const verb = draining === 1 ? 'drains' : 'drain'
    warnings.push(
      `${count(draining)} of ${count(backends.length)} backends ${verb}: ${named(({ state }) => state === 'draining')}.`,
    )
  }
  if (bad.length > 0) return { level: 'bad', lines: [...bad, ...warnings] }
  if (warnings.length > 0) return { level: 'warning', lines: warnings }
  const all = backends.length === 1 ? 'The one backend takes' : `All ${count(backends.length)} backends take`
  return { level: 'good', lines: [`${all} requests.`] }
}
