import { type Static, Type } from 'typebox'
import { Count, nullable } from './schemas.js'

const Fields = (description: string) => Type.Record(Type.String(), Type.String(), { description })

const Names = (description: string) => Type.Array(Type.String(), { description })

const HeaderNames = (description: string) =>
  Type.Object(
    {
      set: Names('Fields that get a value of the route, in place of what is there.'),
      add: Names('Fields that are added beside what is there.'),
      remove: Names('Fields that are removed.'),
    },
    { description },
  )

const Milliseconds = (description: string) => nullable<number>(Type.Number({ minimum: 0, description }))

const Match = Type.Object(
  {
    host: nullable<string>(
      Type.String({ description: 'The host, or `*.` and a name for all below it; null for any.' }),
    ),
    path: Type.String({ description: 'A prefix of the path by segments; `/` for any.' }),
    methods: nullable<string[]>(
      Type.Array(Type.String(), { description: 'The methods, in capitals; null for all.' }),
    ),
    headers: Fields('Values that header fields must have, by name in lower case.'),
    query: Fields('Values that query parameters must have, by name.'),
  },
  { description: 'The requests that the route takes.' },
)

const Plugins = Type.Object(
  {
    allow: nullable<string[]>(
      Type.Array(Type.String(), { description: 'Addresses of clients that are let in; null for any.' }),
    ),
    deny: Names('Addresses of clients that are refused.'),
    rateLimit: nullable<{ max: number; window: number; by: string; failOpen: boolean }>(
      Type.Object(
        {
          max: Count('Requests of one client in a window.'),
          window: Count('The window in milliseconds.'),
          by: Type.String({ description: 'What tells clients apart: `ip`, or `header:NAME`.' }),
          failOpen: Type.Boolean({
            description: 'Whether requests pass that cannot be counted; otherwise they get 503.',
          }),
        },
        { description: 'The limit of requests; null for none.' },
      ),
    ),
    auth: nullable<'jwt' | 'basic' | 'apiKey'>(
      Type.String({
        enum: ['jwt', 'basic', 'apiKey', null],
        description: 'How clients say who they are; null where they need not.',
      }),
    ),
    cors: nullable<string[]>(
      Type.Array(Type.String(), {
        description:
          'Origins whose pages may read responses, or `*`; null where CORS is left to the backends.',
      }),
    ),
    compress: Type.Boolean({ description: 'Whether responses are compressed here.' }),
  },
  { description: 'What is done with requests before they go to a backend.' },
)

const Requests = Type.Object(
  {
    total: Count('All of them.'),
    ok: Count('A backend answered, and not with a gateway failure; or the gateway, as with a redirect.'),
    failed: Count('A backend had the request, and the client got a gateway failure or a cut response.'),
    refused: Count('The gateway answered with an error itself, or its plugins did.'),
    cancelled: Count('The client left.'),
  },
  { description: 'Requests of the route that are over, since the start; by outcome.' },
)

const Latency = Type.Object(
  {
    mean: Milliseconds('The mean.'),
    p50: Milliseconds('Half of them took no longer.'),
    p99: Milliseconds('99 in 100 took no longer.'),
  },
  {
    description:
      'Milliseconds from the arrival of a request to its end, since the start; percentiles are estimates from the buckets of the histogram. Null where there was none.',
  },
)

const example = {
  name: 'users',
  match: { host: 'api.example.com', path: '/users', methods: ['GET', 'POST'], headers: {}, query: {} },
  pools: [{ pool: 'users', weight: 1 }],
  mirror: null,
  redirect: null,
  stripPrefix: '/users',
  rewritePrefix: '',
  headers: {
    request: { set: ['x-a'], add: [], remove: [] },
    response: { set: [], add: [], remove: ['server'] },
  },
  plugins: {
    allow: null,
    deny: [],
    rateLimit: { max: 100, window: 60_000, by: 'ip', failOpen: true },
    auth: 'jwt' as const,
    cors: ['https://app.example.com'],
    compress: false,
  },
  limits: { maxBody: 1_048_576, retries: null, hedge: null, connect: null, response: 5000, body: null },
  requests: { total: 18_204, ok: 18_150, failed: 3, refused: 46, cancelled: 5 },
  refused: { LEASTWISE_UNAUTHORIZED: 46 },
  latency: { mean: 4.1, p50: 2.9, p99: 38 },
}

/** A route, how it is set and what it has done. */
export const Route = Type.Object(
  {
    name: Type.String({ description: 'Name of the route.' }),
    match: Match,
    pools: Type.Array(
      Type.Object({
        pool: Type.String({ description: 'Name of the pool.' }),
        weight: Type.Number({ minimum: 0, description: 'Its share relative to the others.' }),
      }),
      { description: 'Where requests go; several where they are split. Empty for a redirect.' },
    ),
    mirror: nullable<{ pool: string; percent: number }>(
      Type.Object(
        {
          pool: Type.String({ description: 'Name of the pool that gets copies.' }),
          percent: Type.Number({ description: 'How many of 100 requests are copied.' }),
        },
        { description: 'Copies whose responses nobody sees; null for none.' },
      ),
    ),
    redirect: nullable<{ status: number; to: string }>(
      Type.Object(
        {
          status: Type.Integer({ description: 'Status of the response.' }),
          to: Type.String({ description: 'Where clients are sent.' }),
        },
        { description: 'A redirect in place of a backend; null for none.' },
      ),
    ),
    stripPrefix: Type.String({ description: 'What is removed from the start of a path; empty for nothing.' }),
    rewritePrefix: Type.String({ description: 'What is put in its place; empty for nothing.' }),
    headers: Type.Object(
      {
        request: HeaderNames('Of the request, before a backend gets it.'),
        response: HeaderNames('Of the response, before the client gets it.'),
      },
      { description: 'Changes of header fields, by name. Values may be secrets, and are not shown.' },
    ),
    plugins: Plugins,
    limits: Type.Object(
      {
        maxBody: nullable<number>(
          Type.Integer({ minimum: 0, description: 'Largest request body in bytes; 0 for any.' }),
        ),
        retries: nullable<number>(Type.Integer({ minimum: 0, description: 'Retries of a request.' })),
        hedge: nullable<string>(
          Type.String({
            description: '`off`, `p95`, or milliseconds after which a second backend is asked.',
          }),
        ),
        connect: Milliseconds('Milliseconds to connect to a backend.'),
        response: Milliseconds("Milliseconds to the first byte of a backend's response."),
        body: Milliseconds('Milliseconds between two parts of a body.'),
      },
      { description: "Settings of the route; null where the pool's setting applies." },
    ),
    requests: Requests,
    refused: Type.Record(Type.String(), Type.Integer({ minimum: 0 }), {
      description: 'Requests that the gateway refused itself, by code.',
    }),
    latency: Latency,
  },
  {
    title: 'Route',
    description: 'Which requests a route takes, what becomes of them, and what it has done.',
    examples: [example],
  },
)
export type RouteView = Static<typeof Route>

/** The response of `GET /routes`. */
export const Routes = Type.Object(
  { routes: Type.Array(Route, { description: 'In the order of the file.' }) },
  { examples: [{ routes: [example] }] },
)

/** The path of a call for one route. */
export const RouteParams = Type.Object({
  route: Type.String({ description: 'Name of the route.', examples: ['users'] }),
})
