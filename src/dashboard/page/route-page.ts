import type { RouteView } from '../../admin/contract/routes.js'
import type { ConnectionState, Source } from './connection.js'
import { CounterRates } from './counter-rates.js'
import { byId, create, setText } from './element.js'
import { count, decimal, percent } from './format.js'
import { GatewayPoll, readRoute } from './gateway-poll.js'
import { type RouteCounter, routeStatusOf } from './gateway-status.js'
import {
  headerTexts,
  limitTexts,
  percentText,
  pluginTexts,
  rewriteText,
  sharesOf,
  type Words,
} from './route-text.js'
import { showStatus } from './status-banner.js'
import { inWords } from './summary-table.js'
import { linkTo } from './view.js'

const rates = new CounterRates<RouteCounter>()
/** What the lists show, as JSON. */
let shown = ''

/** The page of one route. */
export function routeSource(name: string): Source {
  rates.clear()
  shown = ''
  for (const id of ['route-match', 'route-goal', 'route-plugins', 'route-refused']) byId(id).replaceChildren()
  for (const figure of document.querySelectorAll<HTMLElement>('#route-figures dd')) setText(figure, '–')
  return new GatewayPoll((signal) => readRoute(name, signal), show)
}

/** To be called when the state of the connection changes: rates across a gap would be wrong. */
export function routeConnection({ kind }: ConnectionState): void {
  if (kind !== 'live') rates.clear()
}

function show(route: RouteView): void {
  const { name, requests, latency, refused, ...settings } = route
  rates.add(performance.now(), [[name, requests]])
  showStatus(routeStatusOf(route, rates), name)
  const total = rates.of(name, 'total')
  const part = (counter: RouteCounter) => (total === 0 ? '–' : percent(rates.of(name, counter) / total))
  setText(byId('route-requests'), decimal(total))
  setText(byId('route-failed'), part('failed'))
  byId('route-failed').classList.toggle('bad', rates.of(name, 'failed') > 0)
  setText(byId('route-refused-part'), part('refused'))
  setText(byId('route-total'), count(requests.total))
  for (const key of ['mean', 'p50', 'p99'] as const) {
    const value = latency[key]
    setText(byId(`route-${key}`), value === null ? '–' : decimal(value))
  }
  showCounts(route)
  // Lists with links are made anew only where they have changed, so that the focus stays.
  const next = JSON.stringify(settings)
  if (next === shown) return
  shown = next
  list('route-match', matchRows(route))
  list('route-goal', goalRows(route))
  list('route-plugins', pluginTexts(route.plugins).map(row))
}

function showCounts({ requests, refused }: RouteView): void {
  const rows: [string, Words[]][] = (['ok', 'failed', 'refused', 'cancelled'] as const).map((outcome) => [
    outcome,
    [{ text: count(requests[outcome]) }],
  ])
  for (const [code, number] of Object.entries(refused)) rows.push([code, [{ text: count(number) }]])
  list('route-refused', rows)
}

function matchRows({ match }: RouteView): [string, Words[]][] {
  const { host, path, methods, headers, query } = match
  return [
    ['Host', [{ text: host ?? 'any' }]],
    ['Path', [{ text: path }]],
    ['Methods', [{ text: methods?.join(', ') ?? 'all' }]],
    ...Object.entries(headers).map(([name, text]): [string, Words[]] => [`Header ${name}`, [{ text }]]),
    ...Object.entries(query).map(([name, text]): [string, Words[]] => [`Query ${name}`, [{ text }]]),
  ]
}

function goalRows(route: RouteView): [string, Words[]][] {
  const { pools, mirror, redirect, headers, limits } = route
  const rows: [string, Words[]][] = sharesOf(pools).map(({ pool, share }) => [
    pools.length === 1 ? 'Pool' : share,
    [{ text: pool, href: linkTo('pool', pool) }],
  ])
  if (redirect) rows.push([`Redirect ${redirect.status}`, [{ text: redirect.to }]])
  if (mirror)
    rows.push([
      `Mirror ${percentText(mirror.percent)}`,
      [{ text: mirror.pool, href: linkTo('pool', mirror.pool) }],
    ])
  const rewrite = rewriteText(route)
  if (rewrite !== undefined) rows.push(['Path', [{ text: rewrite }]])
  for (const side of ['request', 'response'] as const) {
    const texts = headerTexts(headers[side])
    if (texts.length > 0) rows.push([`Fields of the ${side}`, [{ text: texts.join('; ') }]])
  }
  return [...rows, ...limitTexts(limits).map(row)]
}

function row([name, text]: [name: string, text: string]): [string, Words[]] {
  return [name, [{ text }]]
}

/** Shows pairs of a name and a value in a list. */
function list(id: string, rows: readonly [string, Words[]][]): void {
  const element = byId(id)
  const some: [string, Words[]][] = rows.length > 0 ? [...rows] : [['None', []]]
  if (element.dataset.rows === JSON.stringify(some)) return
  element.dataset.rows = JSON.stringify(some)
  element.replaceChildren(
    ...some.map(([name, words]) =>
      create('div', {}, create('dt', {}, name), create('dd', {}, ...inWords(words))),
    ),
  )
}
