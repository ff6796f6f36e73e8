import { test } from 'node:test'
import { sharedRateLimits } from '../scenarios/rate-limits-fleet.js'
import { withoutRedis } from '../support/redis-server.js'
import { noSharedPort } from '../support/shared-port.js'

test(
  'gateways with several threads that share a store share the limit of a client',
  {
    skip: withoutRedis || noSharedPort,
  },
  (t) => sharedRateLimits(t, '2'),
)
