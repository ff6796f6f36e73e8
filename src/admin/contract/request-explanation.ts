import { type Static, Type } from 'typebox'
import { type ExplanationAnswer, ExplanationSchema } from './explanation.js'
import { nullable, Time } from './schemas.js'

/** The body of `POST /routes/explain`: a request that somebody asks about. */
export const RequestInquiry = Type.Object(
  {
    path: Type.String({
      minLength: 1,
      maxLength: 16_384,
      pattern: '^/',
      'x-takes': 'a path that begins with a slash, with its query',
      description: 'Path of the request, with its query.',
      examples: ['/users/7?full=1'],
    }),
    method: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 32,
        pattern: '^[A-Z-]+$',
        'x-takes': 'a method in capitals',
        description: 'Method of the request. `GET` by default.',
      }),
    ),
    host: Type.Optional(
      Type.String({ maxLength: 1024, description: 'Its Host, with or without a port. None by default.' }),
    ),
    headers: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        description: 'Its header fields. None by default.',
      }),
    ),
    client: Type.Optional(
      Type.String({ maxLength: 64, description: 'Address of the client. `127.0.0.1` by default.' }),
    ),
  },
  {
    additionalProperties: false,
    examples: [{ method: 'GET', host: 'api.example.com', path: '/users/7' }],
  },
)
export type RequestInquiry = Static<typeof RequestInquiry>

const Candidate = Type.Object({
  route: Type.String({ description: 'Name of the route.' }),
  taken: Type.Boolean({ description: 'Whether it takes the request.' }),
  reason: Type.String({ description: 'Why it does, or why it does not.' }),
})
/** A route that takes a request, or nearly does. */
export type RouteCandidate = Static<typeof Candidate>

const stepNames = ['path', 'allow', 'deny', 'cors', 'rateLimit', 'auth', 'redirect', 'maxBody'] as const

const Step = Type.Object({
  step: Type.Enum([...stepNames], { type: 'string', description: 'What the route does here.' }),
  passes: Type.Boolean({ description: 'Whether the request goes on.' }),
  reason: Type.String({ description: 'Why, without secrets.' }),
})
/** What one of a route's plugins does with a request. */
export type RouteStep = Static<typeof Step>

const Answer = nullable<{
  statusCode: number
  code: string | null
  location: string | null
  message: string
}>(
  Type.Object(
    {
      statusCode: Type.Integer({ description: 'Status of the response.' }),
      code: nullable<string>(Type.String({ description: 'Code of the error; null where it is none.' })),
      location: nullable<string>(
        Type.String({ description: 'Where a redirect leads to; null where it is none.' }),
      ),
      message: Type.String({ description: 'The same for people.' }),
    },
    { description: 'What the gateway answers itself; null where a backend gets the request.' },
  ),
)

const Forward = nullable<{
  pool: string
  pools: { pool: string; probability: number }[]
  path: string
  headers: { set: string[]; add: string[]; remove: string[] }
  affinity: string | null
  explanation: ExplanationAnswer
}>(
  Type.Object(
    {
      pool: Type.String({ description: 'The pool, or the likeliest one where requests are split.' }),
      pools: Type.Array(
        Type.Object({
          pool: Type.String({ description: 'Name of the pool.' }),
          probability: Type.Number({ minimum: 0, maximum: 1, description: 'That the request goes there.' }),
        }),
        { description: 'Where the request may go; several where requests are split.' },
      ),
      path: Type.String({ description: 'The path that the backend sees, with its query.' }),
      headers: Type.Object(
        {
          set: Type.Array(Type.String(), { description: 'Names of fields that are set.' }),
          add: Type.Array(Type.String(), { description: 'Names of fields that are added.' }),
          remove: Type.Array(Type.String(), { description: 'Names of fields that are removed.' }),
        },
        { description: 'Header fields of the request that the route changes.' },
      ),
      affinity: nullable<string>(
        Type.String({
          description:
            'What its key is taken from: `ip`, `cookie:NAME` or `header:NAME`; null where it has no key.',
        }),
      ),
      explanation: ExplanationSchema,
    },
    { description: 'What a backend gets; null where none gets the request.' },
  ),
)

/** The response of `POST /routes/explain`. */
export const RequestExplanation = Type.Object(
  {
    at: Time('As of when.'),
    outcome: Type.Enum(['forwarded', 'redirected', 'answered', 'refused'], {
      type: 'string',
      description:
        '`forwarded` to a pool; `redirected`; `answered` here, as a preflight of CORS is; `refused` with an error.',
    }),
    why: Type.String({ description: 'The reason, for people.' }),
    route: nullable<string>(Type.String({ description: 'The route that takes the request; null for none.' })),
    candidates: Type.Array(Candidate, {
      description: 'The route that takes it, and at most 20 others that are near, the most specific first.',
    }),
    steps: Type.Array(Step, {
      description: 'What the route does with the request, in order, up to the first that it does not pass.',
    }),
    answer: Answer,
    forward: Forward,
  },
  {
    title: 'RequestExplanation',
    description: 'What would become of a request that came now.',
    examples: [
      {
        at: '2026-01-31T12:34:56.000Z',
        outcome: 'refused',
        why: 'auth: the request has no bearer token',
        route: 'users',
        candidates: [
          { route: 'users', taken: true, reason: 'host api.example.com, path /users' },
          { route: 'admin', taken: false, reason: 'the method is GET, and it takes POST' },
        ],
        steps: [
          { step: 'rateLimit', passes: true, reason: '99 of 100 requests are left for 60000 ms' },
          { step: 'auth', passes: false, reason: 'the request has no bearer token' },
        ],
        answer: {
          statusCode: 401,
          code: 'LEASTWISE_UNAUTHORIZED',
          location: null,
          message: 'the request has no bearer token',
        },
        forward: null,
      },
    ],
  },
)
export type RequestExplanation = Static<typeof RequestExplanation>
