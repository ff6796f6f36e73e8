import type { PoolSnapshot } from '../../admin/contract/pool-events.js'
import { poolPath, setPool } from './api.js'
import { removeBackend, setBackend, setBackends } from './backend-store.js'
import { BackendTable } from './backend-table.js'
import { Charts } from './charts.js'
import type { ConnectionState, Source } from './connection.js'
import { byId, setText } from './element.js'
import { addEvent, clearEvents } from './event-list.js'
import { showFleet } from './fleet-list.js'
import { clockTime } from './format.js'
import { showOverview } from './overview.js'
import { PoolEvents } from './pool-events.js'
import { Rates } from './rates.js'

const rates = new Rates()
const charts = new Charts()
const table = new BackendTable()
let latest: PoolSnapshot | undefined
/** Time of the latest snapshot, formatted for the user. */
let latestAt = ''

/**
 * The page of one pool.
 * @param name name of the pool; undefined for the only one there is
 * @param onReload called when the gateway has loaded its file again
 */
export function poolSource(name: string | undefined, onReload: () => void): Source {
  setPool(name)
  setText(byId('api'), new URL(poolPath(''), new URL('.', document.baseURI)).href)
  if (latest) forget()
  return new PoolEvents(poolPath('events'), {
    onSnapshot(snapshot) {
      setBackends(snapshot.backends)
      rates.add(snapshot)
      showOverview(snapshot, rates, name)
      showFleet(snapshot)
      table.update(snapshot, rates)
      charts.add(snapshot, rates)
      latestAt = clockTime(new Date(snapshot.at))
      // The snapshot is stored last, so that it is stored only if all of it could be shown.
      latest = snapshot
      document.body.dataset.known = 'yes'
    },
    onChange(change, past) {
      addEvent(change, past)
      if (past || !latest) return
      if (change.type === 'reload') onReload()
      const { backend } = change
      if (!backend) return
      if (change.type === 'removed') {
        removeBackend(backend.id)
        table.remove(backend.id)
      } else {
        setBackend(backend)
        table.change(backend, change.at)
      }
    },
  })
}

/** To be called when the state of the connection changes. */
export function poolConnection(next: ConnectionState, before: ConnectionState): void {
  // The figures are out of date from the moment when the connection is lost until a new snapshot arrives.
  if (next.kind === 'lost' && before.kind === 'live') {
    charts.gap()
    rates.clear()
  }
}

/** Time of the latest figures, formatted for the user; undefined before the first. */
export function poolFiguresAt(): string | undefined {
  return latest && latestAt
}

/** The policy of the pool; empty where it is not known yet. */
export function policyInForce(): string {
  return latest?.pool.policy ?? ''
}

/** Forgets the figures of another pool. */
function forget(): void {
  latest = undefined
  delete document.body.dataset.known
  setBackends([])
  rates.clear()
  table.clear()
  charts.clear()
  clearEvents()
  for (const figure of document.querySelectorAll<HTMLElement>('#pool-figures [id^="figure-"]')) {
    setText(figure, /room|backends/.test(figure.id) ? '' : '–')
    figure.classList.remove('bad')
  }
  setText(byId('policy'), '–')
}
