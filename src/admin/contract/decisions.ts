import { Type } from 'typebox'
import { decisionKinds } from '../../balancer/explain/decision.js'
import type { Cause, Decision } from '../../balancer/index.js'
import { Count, nullable, Policy, Time } from './schemas.js'
import { schemaOf } from './view-schema.js'

/** The query of `GET /decisions`. */
export const DecisionQuery = Type.Object(
  {
    limit: Type.Optional(
      Type.String({
        pattern: '^([1-9][0-9]{0,2}|1000)$',
        'x-takes': 'a whole number from 1 to 1000',
        description: 'At most so many. 1000 by default.',
        examples: ['10'],
      }),
    ),
    backend: Type.Optional(
      Type.String({ description: 'Only those of the backend with this id.', examples: ['c'] }),
    ),
    request: Type.Optional(
      Type.String({
        description: 'Only those of the request with this id, `reqId` in the log.',
        examples: ['req-1k'],
      }),
    ),
  },
  { additionalProperties: false },
)

const CauseSchema = nullable<Cause>(
  Type.Object(
    {
      code: Type.String({ description: 'Code of the error.', examples: ['ECONNREFUSED'] }),
      text: Type.String({
        description: 'What the error says.',
        examples: ['connect ECONNREFUSED 10.0.0.3:8080'],
      }),
    },
    {
      description:
        'Why this backend failed the request. Null where it did not, where it has not answered yet, and where its answer was passed on.',
    },
  ),
)

const DecisionSchema = schemaOf<Decision>()(
  Type.Object(
    {
      at: Time('When the backend was chosen.'),
      request: nullable<string>(
        Type.String({
          description:
            'Id of the request, `reqId` in the log: its first 128 characters. Null where it has none.',
        }),
      ),
      policy: Policy,
      backend: Type.String({ description: 'Id of the backend.' }),
      inFlight: Count('Requests that the backend had then, this one included.'),
      inFlightElsewhere: Count('Requests that other gateways had in flight on it, as they said last.'),
      load: Count(
        'What policies compare: `inFlight`, plus requests that a hedge took away a moment ago and what those of other gateways count, less tunnels without traffic.',
      ),
      kind: Type.Enum([...decisionKinds], {
        type: 'string',
        description:
          'What the backend was chosen for. `choice`: a request that just came. `trial`: a probe of an ejected backend. `retry`: a request that another backend had failed. `hedge`: a second attempt, as another backend takes long. `queue`: a request that had waited.',
      }),
      eligible: Count('How many backends were eligible.'),
      waited: Type.Number({
        minimum: 0,
        description: 'Milliseconds that the request waited for this choice.',
      }),
      cause: CauseSchema,
    },
    { title: 'Decision', description: 'A request was given to a backend.' },
  ),
)

/** The response of `GET /decisions`. */
export const Decisions = Type.Object(
  { decisions: Type.Array(DecisionSchema, { description: 'The latest first.' }) },
  {
    examples: [
      {
        decisions: [
          {
            at: '2026-01-31T12:34:56.000Z',
            request: 'req-1k',
            policy: 'least-connections',
            backend: 'c',
            inFlight: 3,
            inFlightElsewhere: 0,
            load: 3,
            kind: 'choice',
            eligible: 3,
            waited: 0,
            cause: null,
          },
        ],
      },
    ],
  },
)
