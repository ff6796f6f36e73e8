import { test } from 'node:test'
import { sharedRateLimits } from '../scenarios/rate-limits-fleet.js'
import { withoutRedis } from '../support/redis-server.js'

test(
  'gateways that share a store share the limit of a client, with the store away and back',
  {
    skip: withoutRedis,
  },
  (t) => sharedRateLimits(t, '1'),
)
