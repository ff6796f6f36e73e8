import { register, switchPolicy } from './actions.js'
import { ApiError, call, setToken, token } from './api.js'
import { Connection, type ConnectionState, type Source } from './connection.js'
import { ask, closeDialog, isAsking } from './dialog.js'
import { byId, setText } from './element.js'
import { duration } from './format.js'
import { type GatewayState, readGateway } from './gateway-poll.js'
import { overviewConnection, overviewSource } from './overview-page.js'
import { policyInForce, poolConnection, poolFiguresAt, poolSource } from './pool-page.js'
import { routeConnection, routeSource } from './route-page.js'
import { clearStatus } from './status-banner.js'
import { type View, viewOf } from './view.js'

let view: View | undefined
let gateway: GatewayState = { pools: [], routes: [] }
let connection: Connection | undefined
let state: ConnectionState = { kind: 'connecting' }

/** Asks first what there is to show, as that decides which page is shown. */
const start: Source = {
  async read(_progress, stopped) {
    gateway = await readGateway(stopped)
    navigate()
    return new ApiError(0, 'The page shows something else.')
  },
}

/** Shows the view that the URL names, or else all there is. */
function navigate(): void {
  const { hash } = location
  const wanted = viewOf(hash)
  // Other fragments are places in the page, as of its link to the backends.
  if (!wanted && hash.length > 1 && view) return
  const isOnlyPool = gateway.pools.length === 1 && gateway.routes.length === 0
  const next: View = isOnlyPool ? { kind: 'pool', name: undefined } : (wanted ?? { kind: 'overview' })
  document.body.toggleAttribute('data-several', !isOnlyPool)
  if (JSON.stringify(next) !== JSON.stringify(view)) show(next)
}

function show(next: View): void {
  connection?.stop()
  closeDialog()
  view = next
  const name = next.kind === 'overview' ? undefined : next.name
  document.body.dataset.view = next.kind
  byId('pool-status').ariaLabel = `State of the ${next.kind === 'overview' ? 'gateway' : next.kind}`
  setText(byId('nav-kind'), next.kind === 'route' ? 'Route' : 'Pool')
  setText(byId('nav-name'), name ?? '')
  byId('nav-place').hidden = name === undefined
  byId('nav-overview').toggleAttribute('aria-current', name === undefined)
  const skip = {
    overview: ['pools', 'the pools'],
    pool: ['backends', 'the backends'],
    route: ['route', 'the route'],
  }
  const [target, words] = skip[next.kind] as [string, string]
  byId('skip').setAttribute('href', `#${target}`)
  setText(byId('skip'), `Skip to ${words}`)
  clearStatus(name)
  connect(sourceOf(next))
  window.scrollTo(0, 0)
}

function sourceOf(next: View): Source {
  if (next.kind === 'overview') return overviewSource(setGateway)
  return next.kind === 'route' ? routeSource(next.name) : poolSource(next.name, renewGateway)
}

function connect(source: Source): void {
  onState({ kind: 'connecting' })
  connection = new Connection(source, onState)
  void connection.run()
}

function setGateway(next: GatewayState): void {
  gateway = next
  navigate()
}

/** Asks again what there is to show. */
async function renewGateway(): Promise<void> {
  try {
    setGateway(await readGateway())
  } catch {
    // The connection of the page tells of it, if the gateway does not answer.
  }
}

function onState(next: ConnectionState): void {
  if (view?.kind === 'pool') poolConnection(next, state)
  else if (view?.kind === 'route') routeConnection(next)
  else overviewConnection(next)
  state = next
  showState()
}

/** Shows how current the figures are, and emphasizes this if they are not. */
function showState(): void {
  const { body } = document
  if (state.kind !== 'connecting') body.dataset.connection = state.kind
  const lost = byId('lost')
  const at = view?.kind === 'pool' ? poolFiguresAt() : undefined
  const since = at === undefined ? '' : ` Figures are from ${at}.`
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
        await call('GET', 'pools', { signal })
      } catch (error) {
        setToken(before)
        const wrong = (error as { status?: number }).status === 401
        throw wrong ? new Error('That is not the token of this gateway.') : error
      }
      connection?.retry()
    },
  })
}

byId('retry').addEventListener('click', () => {
  if (state.kind === 'locked') askForToken()
  else connection?.retry()
})
byId('skip').addEventListener('click', (event) => {
  // The fragment of the URL stays that of the view.
  event.preventDefault()
  byId(byId('skip').getAttribute('href')?.slice(1) as string).focus()
})
for (const id of ['register', 'register-first']) byId(id).addEventListener('click', register)
byId('switch-policy').addEventListener('click', () => switchPolicy(policyInForce()))
window.addEventListener('online', () => connection?.retry())
window.addEventListener('hashchange', navigate)
setInterval(showWait, 1000)
setText(byId('place'), location.host)
connect(start)
