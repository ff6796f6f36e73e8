// Over 200 lines: every field of a route, in the order of the documents.
import { type Static, Type } from 'typebox'
import { isToken } from '../../../proxy/http/fields.js'
import { bytes, integer, percent } from '../../setting-types.js'
import { settings } from '../../settings.js'
import { AuthSchema } from './auth-schema.js'
import { FIELD_NAME, fieldName, fieldNames, method, POOL_NAME, text } from './field-types.js'
import { byName, fields, flag, leaf, listOf, oneOrMore, optional, textField } from './shape.js'

const MAX_WEIGHT = 1_000_000
/** Seconds, a day: browsers keep the answer to a preflight no longer. */
const MAX_PREFLIGHT_AGE_S = 86_400
export const DEFAULT_MIRROR_BODY_BYTES = 65_536
const MAX_RATE = 1_000_000_000
/** A day. */
const MAX_WINDOW_MS = 86_400_000
export const DEFAULT_WINDOW_MS = 60_000

const Match = fields(
  {
    host: optional(
      text(
        'a host name, or one that begins with *.',
        'Host of the request: a name, or `*.` and a name for all names below it. Any by default.',
      ),
    ),
    path: optional(text('a path', 'The start of the path, by whole segments. Any by default.')),
    methods: optional(listOf(method(), 'Methods. All by default.')),
    headers: optional(
      byName(Type.String(), FIELD_NAME, fieldNames, 'Header fields with the values that they must have.'),
    ),
    query: optional(
      byName(
        Type.String(),
        /^[\s\S]{1,256}$/,
        'a name of a query parameter',
        'Query parameters with the values that they must have.',
      ),
    ),
  },
  'The requests that the route takes; all of its conditions have to hold. The most specific route takes a request: by host, then by path, then by methods, header fields and query parameters.',
)

const fieldValues = (description: string) =>
  optional(byName(Type.String(), FIELD_NAME, fieldNames, description))
const HeaderChanges = (description: string) =>
  optional(
    fields(
      {
        set: fieldValues('Fields in place of what is there.'),
        add: fieldValues('Fields beside what is there.'),
        remove: optional(listOf(fieldName('A name.'), 'Names of fields.', [])),
      },
      description,
    ),
  )

const addresses = (description: string) =>
  optional(
    listOf(text('an address or a range', 'An address, or a range like `10.0.0.0/8`.'), description, []),
  )

const Cors = fields(
  {
    origin: oneOrMore(
      text('an origin', 'An origin.'),
      'Origins that may read the answers: `*` for all, or a list.',
      '"*", an origin like https://app.example.com, or a list of origins',
    ),
    methods: optional(
      listOf(
        method(),
        'Methods that pages may use. By default those of the match, or else GET, HEAD and POST.',
      ),
    ),
    allowedHeaders: optional(
      listOf(fieldName('A name.'), 'Request fields that pages may set. By default those that they ask for.'),
    ),
    exposedHeaders: optional(listOf(fieldName('A name.'), 'Response fields that pages may read.', [])),
    credentials: optional(flag('Whether pages may send cookies and credentials.', false)),
    maxAge: optional(
      leaf(
        integer(0, MAX_PREFLIGHT_AGE_S, 'seconds'),
        'Seconds for which a browser may keep the answer to a preflight.',
      ),
    ),
  },
  'Pages of other origins that may read the answers. Preflights are answered by the gateway.',
)

const poolName = (description: string) => text('the name of a pool', description)

export const RouteSchema = fields(
  {
    name: optional(
      textField(
        'text of 1 to 200 printable characters',
        'Name in logs, metrics and the API, unique in the file. By default it is made from `match`.',
        (value) => /^[^\p{C}\p{Zl}\p{Zp}]{1,200}$/u.test(value),
      ),
    ),
    match: Match,
    pool: optional(poolName('Pool that gets the requests.')),
    split: optional(
      byName(
        leaf(integer(0, MAX_WEIGHT), 'Weight of the pool.'),
        POOL_NAME,
        'the name of a pool',
        'Pools that share the requests, by weight.',
        1,
      ),
    ),
    redirect: optional(
      fields(
        {
          status: optional(
            leaf(
              {
                schema: Type.Unsafe<301 | 302 | 303 | 307 | 308>(Type.Enum([301, 302, 303, 307, 308])),
                accepts: '301, 302, 303, 307 or 308',
                read: Number,
              },
              'Status of the answer.',
              308,
            ),
          ),
          to: text(
            'a URL or a path',
            'A URL, or a path. Path and query of the request are kept where it has no path.',
          ),
        },
        'Requests are sent elsewhere, and reach no pool.',
      ),
    ),
    mirror: optional(
      fields(
        {
          pool: poolName('Pool that gets the copies.'),
          percent: optional(leaf(percent, 'Part of the requests that is copied.', 100)),
          maxBody: optional(
            leaf(bytes(''), 'Largest body of a request that is copied, in bytes.', DEFAULT_MIRROR_BODY_BYTES),
          ),
        },
        'Another pool gets copies, whose answers nobody sees.',
      ),
    ),
    stripPrefix: optional(textField('a path', 'Start of the path that is taken off.', () => true)),
    rewritePrefix: optional(textField('a path', 'Path that is put in its place.', () => true)),
    headers: optional(
      fields(
        {
          request: HeaderChanges('Changes of the request.'),
          response: HeaderChanges('Changes of the response.'),
        },
        'Changes of header fields.',
      ),
    ),
    allow: addresses('Clients that may use the route. All by default.'),
    deny: addresses('Clients that may not use the route.'),
    rateLimit: optional(
      fields(
        {
          max: leaf(integer(1, MAX_RATE, 'requests'), 'Requests of one client in a window.'),
          window: optional(
            leaf(
              integer(1, MAX_WINDOW_MS, 'milliseconds'),
              'Length of a window in milliseconds.',
              DEFAULT_WINDOW_MS,
            ),
          ),
          by: optional(
            leaf(
              {
                schema: textField(
                  '',
                  '',
                  (value) => value === 'ip' || (value.startsWith('header:') && isToken(value.slice(7))),
                ),
                accepts: '"ip" or "header:NAME"',
                read: String,
              },
              'What tells clients apart: `ip`, or `header:NAME`.',
              'ip',
            ),
          ),
          failOpen: optional(
            flag(
              'Whether requests pass while they cannot be counted, as when the store is away. Otherwise they get 503.',
              true,
            ),
          ),
        },
        'Most requests of a client. More get 429.',
      ),
    ),
    auth: optional(AuthSchema),
    cors: optional(Cors),
    compress: optional(flag('Whether responses are compressed that are not yet.', false)),
    maxBody: optional(
      leaf(settings.maxBody.type, 'Largest request body in bytes; that of the pool by default.'),
    ),
    retries: optional(leaf(settings.retries.type, 'Most retries; those of the pool by default.')),
    hedge: optional(leaf(settings.hedge.type, 'When a hedge is sent; as the pool has it by default.')),
    timeouts: optional(
      fields(
        {
          connect: optional(leaf(settings.connectTimeout.type, 'To connect, in milliseconds.')),
          response: optional(
            leaf(settings.responseTimeout.type, 'To the first byte of the response, in milliseconds.'),
          ),
          body: optional(leaf(settings.bodyTimeout.type, 'Between bytes of a body, in milliseconds.')),
        },
        'Timeouts; those of the pool by default.',
      ),
    ),
  },
  'A route: the requests that it takes, and what becomes of them.',
)

/** Everything that a gateway's file may have. */
export type RouteValue = Static<typeof RouteSchema>
export type CorsValue = Static<typeof Cors>
export type HeaderChangesValue = {
  set?: Record<string, string>
  add?: Record<string, string>
  remove?: string[]
}
