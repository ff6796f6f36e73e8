import type { BackendView } from '../../balancer/index.js'
import {
  health,
  id,
  inFlight,
  inFlightElsewhere,
  limit,
  p50,
  p99,
  state,
  url,
  weight,
} from '../backend-columns.js'
import { type Column, styled, table } from '../table.js'
import { terminalText } from '../terminal-text.js'
import type { Observation, Recent } from './sample.js'

export const orders = ['in-flight', 'id'] as const
export type Order = (typeof orders)[number]

export interface Picture extends Observation {
  order: Order
}

/**
 * Returns the lines that show an observation, none longer than `width` characters. If there are more than `height`
 * lines, the last backends are left out.
 */
export function draw(
  picture: Picture,
  width = Number.POSITIVE_INFINITY,
  height = Number.POSITIVE_INFINITY,
): string[] {
  const { sample, recent } = picture
  const backends = sorted(sample.backends, picture.order)
  // The pool and the head of the table take two lines, and the store and the gateways one where there are several. If not all backends fit into the rest, one more line says how
  // many are missing.
  const fleet = fleetLine(picture, width)
  const room = Math.max(0, height - 2 - fleet.length)
  const shown = backends.length <= room ? backends : backends.slice(0, Math.max(0, room - 1))
  const lines = [
    poolLine(picture, width),
    ...fleet,
    ...table(columns(recent, sample.pool.store !== undefined), shown, width),
  ]
  const missing = backends.length - shown.length
  if (missing > 0) lines.push(styled(`… and ${missing} more`.slice(0, width), 'dim'))
  return lines.slice(0, height)
}

/** Sorts backends by requests in flight, highest first, or by id in alphabetical order. */
function sorted(backends: BackendView[], order: Order): BackendView[] {
  const byId = (a: BackendView, b: BackendView) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
  return backends.toSorted(order === 'id' ? byId : (a, b) => b.inFlight - a.inFlight || byId(a, b))
}

function poolLine({ sample, recent, refused }: Picture, width: number): string {
  const { policy, eligible, backends, inFlight, queue, panic, closing, retries, hedges } = sample.pool
  const parts = [
    ...(sample.name === undefined ? [] : [`pool ${sample.name}`]),
    policy,
    `in flight ${inFlight}`,
    `queue ${queue.length} of ${queue.limit}`,
    `eligible ${eligible} of ${backends}`,
  ]
  if (recent) {
    const rates = [...recent.values()]
    parts.push(`${rate(rates.reduce((sum, { requestsPerSecond }) => sum + requestsPerSecond, 0))} req/s`)
  }
  // A rate above zero comes early in the line, so that a narrow terminal does not cut it off.
  const early = sample.name === undefined ? 1 : 2
  if (refused !== undefined) parts.splice(refused > 0 ? early : parts.length, 0, `refused ${rate(refused)}/s`)
  if (retries !== undefined) parts.push(`retries ${retries}`)
  if (hedges !== undefined) parts.push(`hedges ${hedges}`)
  parts.push(`panic ${panic ? 'YES' : 'no'}`)
  if (closing) parts.push('CLOSING')
  return styled(terminalText(parts.join(' | ')).slice(0, width), panic || closing || refused ? 'red' : 'bold')
}

/** Returns a line about the gateways and their store, where they share one. */
function fleetLine({ sample: { gateways, pool } }: Picture, width: number): string[] {
  if (!gateways || !pool.store) return []
  const { name, away } = pool.store
  const each = gateways.map(({ id, inFlight, self }) => `${id}${self ? ' (this)' : ''} ${inFlight}`)
  const store = away ? `store AWAY, changes are refused: ${name}` : `store ${name}`
  const parts = [`${gateways.length} gateways, in flight: ${each.join(', ')}`]
  if (away) parts.unshift(store)
  else parts.push(store)
  return [styled(terminalText(parts.join(' | ')).slice(0, width), away ? 'red' : undefined)]
}

function columns(recent: Map<string, Recent> | undefined, isShared: boolean): Column<BackendView>[] {
  const of = (show: (recent: Recent) => string) => (backend: BackendView) => {
    const one = recent?.get(backend.id)
    return one ? show(one) : '-'
  }
  return [
    id,
    url,
    state,
    health,
    inFlight,
    ...(isShared ? [inFlightElsewhere] : []),
    { head: 'share', right: true, text: of(({ share }) => `${(100 * share).toFixed(1)}%`) },
    { head: 'req/s', right: true, text: of(({ requestsPerSecond }) => rate(requestsPerSecond)) },
    {
      head: 'failed/s',
      right: true,
      text: of(({ failedPerSecond }) => rate(failedPerSecond)),
      style: ({ id: of }) => ((recent?.get(of)?.failedPerSecond ?? 0) > 0 ? 'red' : undefined),
    },
    p50,
    p99,
    weight,
    limit,
  ]
}

function rate(perSecond: number): string {
  return perSecond.toFixed(perSecond < 100 ? 1 : 0)
}
