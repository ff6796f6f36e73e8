import type { FastifyBaseLogger } from 'fastify'
import type { FleetStatus } from '../balancer/fleet/fleet-status.js'
import type { FleetChange } from '../balancer/fleet/fleet-view.js'

/** What is logged already: several pools of a process may share one store. */
const logged = new WeakSet<FleetStatus>()

/** Logs what changes about a store that gateways share, and about the gateways: a line for each change. */
export function logFleet(log: FastifyBaseLogger, status: FleetStatus): void {
  if (logged.has(status)) return
  logged.add(status)
  status.on('change', (change) => {
    const { level, event, text, ...fields } = lineOf(change)
    // There were more changes than are told of each.
    if (change.untold !== undefined) log[level]({ event, ...fields, untold: change.untold }, text)
    else log[level]({ event, ...fields }, text)
  })
}

interface Line {
  level: 'info' | 'warn'
  event: string
  text: string
  [field: string]: unknown
}

function lineOf(change: FleetChange): Line {
  switch (change.type) {
    case 'store': {
      const { name: store, away } = change.store
      return away
        ? {
            level: 'warn',
            event: 'store away',
            store,
            reason: change.reason,
            text: `the store does not answer: traffic goes on, and changes are refused (${change.reason})`,
          }
        : { level: 'info', event: 'store back', store, text: 'the store answers again' }
    }
    case 'joined':
      return {
        level: 'info',
        event: 'gateway joined',
        gateway: change.id,
        text: 'another gateway shares the store',
      }
    case 'left':
      return change.how === 'closed'
        ? { level: 'info', event: 'gateway left', gateway: change.id, text: 'a gateway has ended' }
        : {
            level: 'warn',
            event: 'gateway left',
            gateway: change.id,
            text: 'a gateway is not heard of any more: what it had in flight does not count',
          }
    case 'renamed':
      return change.id === change.wanted
        ? {
            level: 'info',
            event: 'gateway id taken back',
            gateway: change.id,
            text: 'no other gateway has the id of this one any more: it is called so again',
          }
        : {
            level: 'warn',
            event: 'gateway id taken',
            gateway: change.id,
            wanted: change.wanted,
            text: `another gateway is called ${change.wanted}: this one is ${change.id} until the other is gone; give each a GATEWAY_ID of its own`,
          }
    case 'failed':
      return {
        level: 'warn',
        event: 'gateway not announced',
        reason: change.message,
        text: `the store does not take the announcement of this gateway: ${change.message}`,
      }
  }
}
