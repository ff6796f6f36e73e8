import type { PoolSnapshot } from '../../admin/contract/pool-events.js'
import { byId, create, setText } from './element.js'
import { count, duration } from './format.js'

/** Largest number of gateways that are shown. */
const MAX_SHOWN = 20
/** A gateway is heard once a second; only a longer silence is worth a word. */
const SILENCE_MS = 2000

const list = byId('fleet')

/** Shows the gateways that share a store; nothing where there is no store. */
export function showFleet({ at, pool, gateways }: PoolSnapshot): void {
  list.hidden = gateways === undefined
  document.body.toggleAttribute('data-fleet', gateways !== undefined)
  if (!gateways) return
  const lines = [headline(gateways.length, pool.store?.name ?? '')]
  for (const gateway of gateways.slice(0, MAX_SHOWN)) lines.push(gatewayText(gateway, Date.parse(at)))
  const hidden = gateways.length - MAX_SHOWN
  if (hidden > 0) lines.push(`and ${count(hidden)} more`)
  while (list.childElementCount > lines.length) list.lastElementChild?.remove()
  while (list.childElementCount < lines.length) list.append(create('li'))
  for (const [i, line] of lines.entries()) setText(list.children[i] as HTMLElement, line)
}

function headline(gateways: number, store: string): string {
  return gateways === 1 ? `No other gateway shares ${store}:` : `${count(gateways)} gateways share ${store}:`
}

/** Describes a gateway in words. */
export function gatewayText(
  { id, inFlight, lastSeen, self }: NonNullable<PoolSnapshot['gateways']>[0],
  now: number,
): string {
  const silence = now - Date.parse(lastSeen)
  const seen = !self && silence > SILENCE_MS ? `, last heard ${duration(silence)} ago` : ''
  return `${id}${self ? ' (this one)' : ''} ${count(inFlight)} in flight${seen}`
}
