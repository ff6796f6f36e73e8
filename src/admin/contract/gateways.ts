import { Type } from 'typebox'
import type { StoreView } from '../../balancer/fleet/fleet-view.js'
import type { GatewayView } from '../../balancer/fleet/gateway-directory.js'
import { Count, nullable, Time } from './schemas.js'
import { schemaOf } from './view-schema.js'

export const gatewayExample = {
  id: 'web-1-k3f9',
  lastSeen: '2026-01-01T00:00:00.000Z',
  inFlight: 12,
  self: true,
}

/** A gateway, one of those that share a store. */
export const Gateway = schemaOf<GatewayView>()(
  Type.Object(
    {
      id: Type.String({ description: '`GATEWAY_ID`, or the name of its host and a random part.' }),
      lastSeen: Time('When it was heard of last. It is heard of each second.'),
      inFlight: Count('Requests that it has in flight, in all pools.'),
      self: Type.Boolean({ description: 'True for the gateway that is asked.' }),
    },
    {
      title: 'Gateway',
      description: 'A gateway, one of those that share the store.',
      examples: [gatewayExample],
    },
  ),
)

/** The store that gateways share. */
export const Store = schemaOf<StoreView>()(
  Type.Object(
    {
      name: Type.String({ description: 'Where it is, without a user and a password.' }),
      away: Type.Boolean({
        description: 'Whether it does not answer: traffic goes on, and changes are refused.',
      }),
      awaySince: nullable<string>(Time('Since when; null while it answers.')),
    },
    {
      title: 'Store',
      description: 'The store that gateways share, as this one sees it. Left out where there is none.',
      examples: [{ name: 'redis://store:6379', away: false, awaySince: null }],
    },
  ),
)
