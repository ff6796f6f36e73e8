import type { PoolSnapshot } from '../../admin/contract/pool-events.js'
import { register, switchPolicy } from './actions.js'
import { call, setToken, token } from './api.js'
import { removeBackend, setBackend, setBackends } from './backend-store.js'
import { BackendTable } from './backend-table.js'
import { Charts } from './charts.js'
import { Connection, type ConnectionState } from './connection.js'
import { ask, isAsking } from './dialog.js'
import { byId, setText } from './element.js'
import { addEvent } from './event-list.js'
import { clockTime, duration } from './format.js'
import { showOverview } from './overview.js'
import { Rates } from './rates.js'

const rates = new Rates()
const charts = new Charts()
const table = new BackendTable()
let latest: PoolSnapshot | undefined
/** Time of the latest snapshot, formatted for the user. */
let latestAt = ''
let state: ConnectionState = { kind: 'connecting' }

const connection = new Connection({
  onState(next) {
    // The figures are out of date from the moment when the connection is lost until a new snapshot arrives.
    if (next.kind === 'lost' && state.kind === 'live') {
      charts.gap()
      rates.clear()
    }
    state = next
    showState()
  },
  onSnapshot(snapshot) {
    setBackends(snapshot.backends)
    rates.add(snapshot)
    showOverview(snapshot, rates)
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

/** Shows how current the figures are, and emphasizes this if they are not. */
function showState(): void {
  const { body } = document
  if (state.kind !== 'connecting') body.dataset.connection = state.kind
  const lost = byId('lost')
  const since = latest ? ` Figures are from ${latestAt}.` : ''
  if (state.kind === 'live') setText(byId('connection'), 'live')
  else if (state.kind === 'connecting') setText(byId('connection'), 'connecting')
  else if (state.kind === 'locked') setText(byId('connection'), 'needs a token')
  else setText(byId('connection'), 'connection lost')
  if (state.kind === 'lost') {
    // Screen readers announce this text once. The remaining time is in another element and is not announced.
    setText(byId('lost-reason'), `Connection lost. ${state.reason}${since}`)
    lost.hidden = false
  } else if (state.kind === 'locked') {
    setText(byId('lost-reason'), `This gateway asks for a token.${since}`)
    setText(byId('lost-wait'), '')
    lost.hidden = false
    askForToken()
  } else if (state.kind === 'live') lost.hidden = true
  setText(byId('retry'), state.kind === 'locked' ? 'Enter the token' : 'Try now')
  showWait()
}

function showWait(): void {
  if (state.kind === 'lost') {
    setText(byId('lost-wait'), `Next try in ${duration(state.retryAt - Date.now())}.`)
  } else if (state.kind === 'connecting') setText(byId('lost-wait'), 'Trying…')
}

function askForToken(): void {
  if (isAsking()) return
  const tried = token() !== ''
  ask({
    title: 'Admin token',
    text: tried
      ? 'The token of this tab is wrong, or not the right one any more.'
      : 'The admin API of this gateway asks for its token (ADMIN_TOKEN). It is kept until this tab is closed.',
    fields: [{ kind: 'password', name: 'token', label: 'Token', required: true }],
    action: 'Unlock',
    async act(values, signal) {
      const before = token()
      setToken(values.token ?? '')
      try {
        await call('GET', 'policy', { signal })
      } catch (error) {
        setToken(before)
        const wrong = (error as { status?: number }).status === 401
        throw wrong ? new Error('That is not the token of this gateway.') : error
      }
      connection.retry()
    },
  })
}

byId('retry').addEventListener('click', () => {
  if (state.kind === 'locked') askForToken()
  else connection.retry()
})
for (const id of ['register', 'register-first']) byId(id).addEventListener('click', register)
byId('switch-policy').addEventListener('click', () => switchPolicy(latest?.pool.policy ?? ''))
window.addEventListener('online', () => connection.retry())
setInterval(showWait, 1000)
setText(byId('place'), location.host)
setText(byId('api'), new URL('.', document.baseURI).href)
void connection.run()
