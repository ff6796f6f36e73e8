import { Type } from 'typebox'
import type { ExplainedBackend, Explanation } from '../../balancer/index.js'
import { Count, nullable, Policy, Time, Weight } from './schemas.js'
import { schemaOf } from './view-schema.js'

/** An explanation of a choice, with the HTTP status that the client would get if no backend could be chosen. */
export interface ExplanationAnswer extends Omit<Explanation, 'error'> {
  error: (NonNullable<Explanation['error']> & { statusCode: number }) | null
}

/** The body of `POST /explain`. */
export const ExplainBody = Type.Object(
  {
    except: Type.Optional(
      Type.Array(Type.String(), {
        description:
          'Ids of backends that are not to be chosen, as on a retry those that were tried. None by default.',
      }),
    ),
    repeatable: Type.Optional(
      Type.Boolean({
        description:
          'Whether the request could be sent again, like a GET without a body: ejected backends are tried with such first. `true` by default.',
      }),
    ),
    upgrade: Type.Optional(
      Type.Boolean({
        description:
          'Whether the request asks for an upgrade, such as a WebSocket: then tunnels without traffic count like any request. `false` by default.',
      }),
    ),
    key: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          "The key of the request, where the pool has affinity: the client's address, the value of a field, or the first 16 characters of the cookie's value. None by default.",
      }),
    ),
  },
  { additionalProperties: false, examples: [{ except: ['a'] }] },
)

const ExplainedBackendSchema = schemaOf<ExplainedBackend>()(
  Type.Object({
    id: Type.String({ description: 'Id of the backend.' }),
    score: nullable<number>(
      Type.Number({
        description:
          'What the policy compares: the least is best. Null where the backend is not eligible. `least-connections`: requests with this one, less what it is owed of its share, for its weight. `least-response-time`: that times the milliseconds that an answer takes. `power-of-two`: requests for its weight. `round-robin`: turns until its own. `weighted-round-robin`: requests that its weight is ahead of its share. For a key: the place in its order.',
      }),
    ),
    parts: Type.Record(Type.String(), Type.Number(), {
      description:
        'What the score is made of, besides the other fields, by policy: `owed` (requests), `estimate` (milliseconds), `turns`, `credit` (requests), and `elsewhere`, what requests of other gateways count in `load`, where that is not 0. For a key: `place`, and `limit`, the requests that a busy key may bring it to.',
    }),
    probability: Type.Number({
      minimum: 0,
      maximum: 1,
      description: 'That it would be chosen: 0 or 1, except where the policy draws at random.',
    }),
    eligible: Type.Boolean({
      description: 'Whether it is one of those that requests are given to now. It may be full all the same.',
    }),
    available: Type.Boolean({ description: 'Whether it could be chosen for this request.' }),
    reason: Type.String({ description: 'Why it is not available, or how it stands among those that are.' }),
    inFlight: Count('Requests that the backend works on now.'),
    inFlightElsewhere: Count(
      'Requests that other gateways have in flight on it, as they said last; 0 where no store is shared.',
    ),
    load: Count(
      'What policies compare: `inFlight`, plus requests that a hedge took away a moment ago and what those of other gateways count, less tunnels without traffic.',
    ),
    weight: Weight,
    maxConnections: nullable<number>(
      Type.Integer({ minimum: 1, description: 'Requests that it may hold; null for no limit.' }),
    ),
    share: Type.Number({
      minimum: 0,
      maximum: 1,
      description: 'Part of its fair share that it may have: less than 1 in slow start and after failures.',
    }),
  }),
)

/** The response of `POST /explain`. */
export const ExplanationSchema = schemaOf<ExplanationAnswer>()(
  Type.Object(
    {
      at: Time('As of when.'),
      policy: Policy,
      backend: nullable<string>(
        Type.String({
          description:
            'Id of the backend that the request would be given to; where chance decides, most likely. Null for none.',
        }),
      ),
      outcome: Type.Enum(['choice', 'trial', 'queue', 'refused'], {
        type: 'string',
        description:
          '`choice` of the policy; `trial` of a backend whose ejection is over; `queue`: it would wait; `refused`: see `error`.',
      }),
      why: Type.String({ description: 'The reason, for people.' }),
      error: nullable<{ statusCode: number; code: string; message: string }>(
        Type.Object(
          {
            statusCode: Type.Integer({ description: 'Status of the answer.' }),
            code: Type.String({ description: 'What went wrong, for programs.' }),
            message: Type.String({ description: 'What went wrong, for people.' }),
          },
          { description: 'What the client would be answered, where the request would be refused.' },
        ),
      ),
      panic: Type.Boolean({
        description:
          'Whether too few backends are healthy, so that requests are given to ejected or unhealthy ones, too.',
      }),
      queue: Type.Object(
        { length: Count('Requests that wait now.'), limit: Count('The most requests that may wait.') },
        { description: 'Where the request would wait.' },
      ),
      backends: Type.Array(ExplainedBackendSchema, {
        description: 'All backends: first those that are available, the best score first.',
      }),
    },
    {
      title: 'Explanation',
      description: 'What would become of a request that came now.',
      examples: [
        {
          at: '2026-01-31T12:34:56.000Z',
          policy: 'least-connections',
          backend: 'b',
          outcome: 'choice',
          why: 'b: 1 + 1 requests, less 0.00 owed, for weight 1',
          error: null,
          panic: false,
          queue: { length: 0, limit: 1000 },
          backends: [
            {
              id: 'b',
              score: 2,
              parts: { owed: 0 },
              probability: 1,
              eligible: true,
              available: true,
              reason: 'next: 1 + 1 requests, less 0.00 owed, for weight 1',
              inFlight: 1,
              inFlightElsewhere: 0,
              load: 1,
              weight: 1,
              maxConnections: null,
              share: 1,
            },
            {
              id: 'a',
              score: 1,
              parts: { owed: 0 },
              probability: 0,
              eligible: true,
              available: false,
              reason: 'excluded by the request',
              inFlight: 0,
              inFlightElsewhere: 0,
              load: 0,
              weight: 1,
              maxConnections: null,
              share: 1,
            },
          ],
        },
      ],
    },
  ),
)
