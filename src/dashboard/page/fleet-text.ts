import type { PoolChange } from '../../admin/contract/pool-events.js'
import type { EventText } from './event-words.js'

/** Describes a change of the store, or of the gateways that share it. */
export function fleetText(change: NonNullable<PoolChange['fleet']>): EventText {
  switch (change.type) {
    case 'store':
      return change.store.away
        ? { text: `The store does not answer: changes are refused (${change.reason})`, level: 'bad' }
        : { text: 'The store answers again', level: 'good' }
    case 'joined':
      return { text: `Gateway ${change.id} shares the store`, level: 'plain' }
    case 'left':
      return change.how === 'closed'
        ? { text: `Gateway ${change.id} has ended`, level: 'plain' }
        : { text: `Gateway ${change.id} is not heard of any more`, level: 'warning' }
    case 'renamed':
      return change.id === change.wanted
        ? { text: `This gateway is called ${change.id} again`, level: 'good' }
        : { text: `This gateway is called ${change.id}: another one is ${change.wanted}`, level: 'warning' }
    case 'failed':
      return { text: `The store does not take this gateway: ${change.message}`, level: 'bad' }
  }
}
