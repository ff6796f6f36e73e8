import type { PoolSnapshot } from '../../admin/contract/pool-events.js'
import { byId, create, setText } from './element.js'
import { count, decimal, percent } from './format.js'
import { poolStatusOf } from './pool-status.js'
import type { Rates } from './rates.js'

const shapes = { good: '●', warning: '▲', bad: '✕' }

/** Shows the status of the pool, and its figures. */
export function showOverview(snapshot: PoolSnapshot, rates: Rates): void {
  const { pool } = snapshot
  const { requests, failures, retries, hedges, refused } = rates.pool
  showPoolStatus(snapshot, rates)
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

function showPoolStatus(snapshot: PoolSnapshot, rates: Rates): void {
  const { level, lines } = poolStatusOf(snapshot, rates)
  const banner = byId('pool-status')
  banner.className = level
  setText(byId('pool-status-shape'), shapes[level])
  const [first = '', ...rest] = lines
  setText(byId('pool-status-first'), first)
  const list = byId('pool-status-rest')
  while (list.childElementCount > rest.length) list.lastElementChild?.remove()
  while (list.childElementCount < rest.length) list.append(create('li'))
  for (const [i, line] of rest.entries()) setText(list.children[i] as HTMLElement, line)
  // The title of the document repeats the status, so that the browser's tab shows it, too.
  const title = `${level === 'good' ? '' : `${shapes[level]} `}leastwise ${location.host}`
  if (document.title !== title) document.title = title
}
