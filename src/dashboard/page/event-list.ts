import type { PoolChange } from '../../admin/contract/pool-events.js'
import { byId, create, setText } from './element.js'
import type { EventText } from './event-words.js'
import { fleetText } from './fleet-text.js'
import { clockTime, count, eventTime } from './format.js'

/** Largest number of events in the list. */
const MAX_EVENTS = 200

/** Describes a change in words, with its severity. */
export function changeText(change: PoolChange): EventText {
  const { type, backend } = change
  const id = backend?.id ?? ''
  switch (type) {
    case 'added':
      return { text: `${id} registered: ${backend?.url}`, level: 'plain' }
    case 'updated': {
      const limit = backend?.maxConnections == null ? 'no limit' : `limit ${count(backend.maxConnections)}`
      return { text: `${id} changed: weight ${backend?.weight}, ${limit}`, level: 'plain' }
    }
    case 'draining':
      return { text: `${id} drains`, level: 'warning' }
    case 'drained':
      return { text: `${id} is drained and can be stopped`, level: 'plain' }
    case 'cut':
      return { text: `${id}: ${count(change.requests ?? 0)} requests in flight were cut`, level: 'bad' }
    case 'activated':
      return { text: `${id} is active again`, level: 'good' }
    case 'removed':
      return { text: `${id} removed`, level: 'plain' }
    case 'panic':
      return change.panic
        ? { text: 'Too few healthy backends: their health is ignored', level: 'bad' }
        : { text: 'Enough healthy backends again', level: 'good' }
    case 'policy':
      return { text: `The policy is ${change.policy}`, level: 'plain' }
    case 'health':
      return healthText(change)
    case 'reload':
      return reloadText(change.reload as NonNullable<PoolChange['reload']>)
    case 'worker':
      return workerText(change.worker as NonNullable<PoolChange['worker']>)
    case 'store':
    case 'gateway':
      return fleetText(change.fleet as NonNullable<PoolChange['fleet']>)
    default:
      return { text: `${id} ${type}`, level: 'plain' }
  }
}

function healthText({ backend }: PoolChange): EventText {
  const { id, health, lastCheck, ejectedUntil } = backend as NonNullable<PoolChange['backend']>
  if (health === 'unhealthy') {
    return { text: `${id} is unhealthy: its checks fail (${lastCheck?.detail ?? 'not ours'})`, level: 'bad' }
  }
  if (health === 'ejected') {
    const until = ejectedUntil === null ? '' : ` until ${clockTime(new Date(ejectedUntil))}`
    return { text: `${id} is ejected${until}: its requests fail`, level: 'bad' }
  }
  return { text: health === 'healthy' ? `${id} is healthy` : `${id} is used again`, level: 'good' }
}

function workerText({ number, state, reason, cut }: NonNullable<PoolChange['worker']>): EventText {
  if (state === 'started') return { text: `Worker ${number} has started`, level: 'good' }
  if (state === 'silent') return { text: `Worker ${number} does not answer`, level: 'bad' }
  const why = reason === null ? '' : `: ${reason}`
  return { text: `Worker ${number} has ended${why}; ${count(cut)} requests were cut`, level: 'bad' }
}

function reloadText({ changes, changed, mistakes }: NonNullable<PoolChange['reload']>): EventText {
  if (mistakes > 0) {
    const what = mistakes === 1 ? '1 mistake' : `${count(mistakes)} mistakes`
    return { text: `The file was not loaded: it has ${what}`, level: 'bad' }
  }
  if (changed === 0) return { text: 'The file was loaded: nothing has changed', level: 'plain' }
  const first = changes.slice(0, 4).map(({ kind, what, name }) => `${what} ${name} ${kind}`)
  const more = changed > first.length ? `, and ${count(changed - first.length)} more` : ''
  return { text: `The file was loaded: ${first.join(', ')}${more}`, level: 'good' }
}

const list = byId('events')
const announcer = byId('announcer')

/** Adds a change at the top of the list. Screen readers announce it, unless it happened before the page connected. */
export function addEvent(change: PoolChange, past: boolean): void {
  const { text, level } = changeText(change)
  const at = new Date(change.at)
  const time = create('time', { datetime: change.at }, eventTime(at))
  list.prepend(create('li', { class: level }, time, create('span', {}, text)))
  while (list.childElementCount > MAX_EVENTS) list.lastElementChild?.remove()
  byId('no-events').hidden = true
  if (!past) setText(announcer, text)
}

/** Empties the list. */
export function clearEvents(): void {
  list.replaceChildren()
  setText(announcer, '')
  byId('no-events').hidden = false
}
