import { defaults } from '../../balancer/options.js'
import { integer, milliseconds } from '../setting-types.js'
import { group, setting } from './setting.js'

/** Upper bound of the setting: a number of waiting requests for which a process may still have enough memory. */
const MAX_QUEUE_LIMIT = 1_000_000

export const queue = group('Queue', {
  queueLimit: setting({
    type: integer(0, MAX_QUEUE_LIMIT),
    default: defaults.queueLimit,
    meaning:
      'Requests that may wait while every usable backend is full (at its `maxConnections`); `0` for no queue. A further one gets 503',
  }),
  queueTimeout: setting({
    type: milliseconds(0),
    default: defaults.queueTimeout,
    meaning:
      'Longest time that a request may wait while every usable backend is full (at its `maxConnections`); `0` for no queue. After it the request gets 503',
  }),
})
