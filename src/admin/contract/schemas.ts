import { Type } from 'typebox'
import { MAX_WEIGHT } from '../../balancer/backends/spec.js'
import { policies, policyNames } from '../../balancer/selection/policies/index.js'

/**
 * Schemas that several routes share. A schema with a `title` becomes a component of that name in the API's description.
 * The schemas have no `$id`, because @fastify/swagger in a host app would collect them by it.
 */

export const Count = (description: string) => Type.Integer({ minimum: 0, description })

export const Time = (description: string) => Type.String({ format: 'date-time', description })

/**
 * Adds null to the types of a schema. `type` becomes a list, because the error messages of a union would name each of
 * its members.
 */
export const nullable = <T>(schema: object & { type: string }) =>
  Type.Unsafe<T | null>({ ...schema, type: [schema.type, 'null'] })

export const Policy = Type.Enum([...policyNames], {
  title: 'PolicyName',
  type: 'string',
  description: `How a backend is chosen for a request. ${policyNames
    .map((name) => `\`${name}\`: ${policies[name].meaning}`)
    .join('; ')}.`,
})

export const Weight = Type.Integer({
  minimum: 1,
  maximum: MAX_WEIGHT,
  'x-takes': `a whole number from 1 to ${MAX_WEIGHT} (drain a backend that is to get no new request)`,
  description:
    'From 1 to 1,000: share relative to the other backends. A backend of weight 2 gets twice what one of weight 1 gets.',
})
