import { Type } from 'typebox'
import { policyNames } from '../src/balancer/policies/index.js'
import { MAX_CONNECTIONS, MAX_WEIGHT } from '../src/balancer/spec.js'

/** Schemas that several routes share. */

export const Backend = Type.Object({
  id: Type.String(),
  url: Type.String(),
  weight: Type.Integer(),
  maxConnections: Type.Union([Type.Integer(), Type.Null()]),
  state: Type.Union([Type.Literal('active'), Type.Literal('draining')]),
  health: Type.Union([
    Type.Literal('healthy'),
    Type.Literal('unhealthy'),
    Type.Literal('ejected'),
    Type.Literal('unknown'),
  ]),
  inFlight: Type.Integer(),
  total: Type.Integer(),
  failed: Type.Integer(),
  latency: Type.Object({ ewma: Type.Number(), p50: Type.Number(), p99: Type.Number() }),
  addedAt: Type.String(),
  share: Type.Number(),
  ejectedUntil: Type.Union([Type.String(), Type.Null()]),
  lastCheck: Type.Union([
    Type.Object({ at: Type.String(), passed: Type.Boolean(), detail: Type.String() }),
    Type.Null(),
  ]),
})

export const Weight = Type.Integer({ minimum: 1, maximum: MAX_WEIGHT })

/** 0 and null both mean: no limit. */
export const MaxConnections = Type.Union([
  Type.Integer({ minimum: 0, maximum: MAX_CONNECTIONS }),
  Type.Null(),
])

export const HostHeader = Type.Union([Type.Literal('client'), Type.Literal('backend')])

/** Milliseconds in a query, where everything is text: as such, or an empty one would count as 0. */
export const Digits = Type.String({ pattern: '^(0|[1-9][0-9]{0,8})$' })

/** `setTimeout` takes no more. */
export const Milliseconds = Type.Integer({ minimum: 0, maximum: 2_147_483_647 })

export const BackendParams = Type.Object({ id: Type.String() })

export const Policy = Type.Enum([...policyNames])
