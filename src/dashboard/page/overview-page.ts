import type { RouteView } from '../../admin/contract/routes.js'
import type { ConnectionState, Source } from './connection.js'
import { CounterRates } from './counter-rates.js'
import { byId, setText } from './element.js'
import { count, decimal, percent } from './format.js'
import { GatewayPoll, type GatewayState, type NamedPool, readGateway } from './gateway-poll.js'
import { gatewayStatusOf, type PoolCounter, type RouteCounter } from './gateway-status.js'
import { matchText, percentText, pluginTexts, sharesOf, type Words } from './route-text.js'
import { showStatus } from './status-banner.js'
import { SummaryTable } from './summary-table.js'
import { linkTo } from './view.js'

const poolRates = new CounterRates<PoolCounter>()
const routeRates = new CounterRates<RouteCounter>()
const filter = byId<HTMLInputElement>('route-filter')
let latest: readonly RouteView[] = []

const poolTable = new SummaryTable<NamedPool>(
  byId('pools-table'),
  'Pool',
  ({ name }) => linkTo('pool', name),
  [
    { label: 'Policy', text: ({ policy }) => policy, words: true },
    {
      label: 'Usable',
      text: ({ eligible, backends }) => `${count(eligible)} of ${count(backends)}`,
      bad: ({ eligible }) => eligible === 0,
    },
    { label: 'Req/s', text: ({ name }) => decimal(poolRates.of(name, 'requests')) },
    {
      label: 'Refused/s',
      text: ({ name }) => decimal(poolRates.of(name, 'refused')),
      bad: ({ name }) => poolRates.of(name, 'refused') > 0,
    },
    { label: 'In flight', text: ({ inFlight }) => count(inFlight) },
    { label: 'Waiting', text: ({ queue }) => count(queue.length), bad: ({ queue }) => queue.length > 0 },
  ],
)

const routeTable = new SummaryTable<RouteView>(
  byId('routes-table'),
  'Route',
  ({ name }) => linkTo('route', name),
  [
    { label: 'Match', text: ({ match }) => matchText(match), words: true },
    { label: 'Goes to', text: goalOf, words: true },
    {
      label: 'Plugins',
      text: ({ plugins }) =>
        pluginTexts(plugins)
          .map(([name]) => name)
          .join(', ') || '–',
      words: true,
    },
    { label: 'Req/s', text: ({ name }) => decimal(routeRates.of(name, 'total')) },
    {
      label: 'Failed',
      text: ({ name }) => partOf(name, 'failed'),
      bad: ({ name }) => routeRates.of(name, 'failed') > 0,
    },
    { label: 'Refused', text: ({ name }) => partOf(name, 'refused') },
    { label: 'p50 ms', text: ({ latency }) => millisecondsOrDash(latency.p50) },
    { label: 'p99 ms', text: ({ latency }) => millisecondsOrDash(latency.p99) },
  ],
)

filter.addEventListener('input', showRoutes)

/** The page of all pools and routes. @param onState called with what the gateway has */
export function overviewSource(onState: (state: GatewayState) => void): Source {
  return new GatewayPoll(readGateway, (state) => {
    onState(state)
    const now = performance.now()
    poolRates.add(
      now,
      state.pools.map(({ name, requests, refused }) => [name, { requests, refused: sum(refused) }]),
    )
    routeRates.add(
      now,
      state.routes.map(({ name, requests }) => [name, requests]),
    )
    showStatus(gatewayStatusOf(state.pools, poolRates), undefined)
    setText(byId('pools-shown'), count(state.pools.length))
    poolTable.update(state.pools)
    latest = state.routes
    byId('routes').hidden = latest.length === 0
    showRoutes()
  })
}

/** To be called when the state of the connection changes: rates across a gap would be wrong. */
export function overviewConnection({ kind }: ConnectionState): void {
  if (kind === 'live') return
  poolRates.clear()
  routeRates.clear()
}

function showRoutes(): void {
  const words = filter.value.toLowerCase().split(/\s+/)
  const found = latest.filter((route) => {
    const text = `${route.name} ${matchText(route.match)} ${route.pools.map(({ pool }) => pool).join(' ')}`
    return words.every((word) => text.toLowerCase().includes(word))
  })
  const all = count(latest.length)
  setText(byId('routes-shown'), found.length === latest.length ? all : `${count(found.length)} of ${all}`)
  setText(byId('routes-missing'), found.length === 0 ? 'No route matches.' : routeTable.update(found))
  if (found.length === 0) routeTable.clear()
}

/** Returns where the requests of a route go. */
function goalOf({ pools, redirect, mirror }: RouteView): Words[] {
  if (redirect) return [{ text: `${redirect.status} ${redirect.to}` }]
  const words: Words[] = sharesOf(pools).map(({ pool, share }) => ({
    text: pools.length === 1 ? pool : `${pool} ${share}`,
    href: linkTo('pool', pool),
  }))
  if (mirror)
    words.push({
      text: `mirror ${mirror.pool} ${percentText(mirror.percent)}`,
      href: linkTo('pool', mirror.pool),
    })
  return words
}

function partOf(name: string, counter: RouteCounter): string {
  const total = routeRates.of(name, 'total')
  return total === 0 ? '–' : percent(routeRates.of(name, counter) / total)
}

function millisecondsOrDash(value: number | null): string {
  return value === null ? '–' : decimal(value)
}

function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((all, one) => all + one, 0)
}
