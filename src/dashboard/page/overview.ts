import type { PoolSnapshot } from '../../admin/contract/pool-events.js'
import { byId, setText } from './element.js'
import { count, decimal, percent } from './format.js'
import { poolStatusOf } from './pool-status.js'
import type { Rates } from './rates.js'
import { showStatus } from './status-banner.js'

/** Shows the status of the pool, and its figures. @param name undefined for the only pool there is */
export function showOverview(snapshot: PoolSnapshot, rates: Rates, name: string | undefined): void {
  const { pool } = snapshot
  const { requests, failures, retries, hedges, refused } = rates.pool
  showStatus(poolStatusOf(snapshot, rates), name)
  setText(byId('policy'), pool.policy)
  setText(byId('figure-requests'), decimal(requests))
  setText(byId('figure-failed'), requests === 0 ? '–' : percent(failures / requests))
  byId('figure-failed').classList.toggle('bad', failures > 0)
  setText(byId('figure-refused'), decimal(refused))
  byId('figure-refused').classList.toggle('bad', refused > 0)
  setText(byId('figure-in-flight'), count(pool.inFlight))
  setText(byId('figure-waiting'), count(pool.queue.length))
  byId('figure-waiting').classList.toggle('bad', pool.queue.length > 0)
  setText(byId('figure-room'), `of ${count(pool.queue.limit)}`)
  setText(byId('figure-retries'), decimal(retries))
  setText(byId('figure-hedges'), decimal(hedges))
  setText(byId('figure-usable'), count(pool.eligible))
  setText(byId('figure-backends'), `of ${count(pool.backends)}`)
  setText(byId('figure-panic'), pool.panic ? 'yes' : 'no')
  byId('figure-panic').classList.toggle('bad', pool.panic)
}
