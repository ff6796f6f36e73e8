import { type Static, type TSchema, Type } from 'typebox'
import { type BackendSpec, MAX_PORT, MAX_WEIGHT } from '../../../balancer/backends/spec.js'
import { TOKEN_PATTERN } from '../../admin-listener.js'
import { choice, hostName, integer } from '../../setting-types.js'
import type { Setting } from '../../settings/setting.js'
import { type PoolSettings, poolSettingNames, settings } from '../../settings.js'
import { file, POOL_NAME, text } from './field-types.js'
import { RouteSchema } from './route-schema.js'
import { byName, fields, flag, leaf, listOf, oneOf, optional, secretOf, textField } from './shape.js'

const port = integer(0, MAX_PORT)
const Admin = fields(
  {
    host: optional(leaf(hostName, 'Address of the admin API.', settings.adminHost.default)),
    port: optional(leaf(port, 'Port of the admin API; `0` for any free port.', settings.adminPort.default)),
    tokenFile: optional(file('File that has the bearer token, and nothing else.')),
    token: optional(
      secretOf(
        textField('printable ASCII without blanks', 'The bearer token, from the environment.', (value) =>
          TOKEN_PATTERN.test(value),
        ),
      ),
    ),
  },
  'The admin API. A token is required where its address is not loopback.',
)

/** A description of each field of a backend, so that the compiler demands one for a new field. */
const backendFields = {
  url: text('a URL', 'The URL: `http://`, `https://`, or `unix:` and the path of a socket.'),
  id: optional(
    text('1 to 64 characters of A-Z a-z 0-9 . _ ~ -', 'Its id; made from the address by default.'),
  ),
  weight: optional(leaf(integer(1, MAX_WEIGHT), 'Its weight beside other backends.', 1)),
  maxConnections: optional(
    leaf(settings.maxConnections.type, 'Most requests in flight; as the pool has it by default.'),
  ),
  hostHeader: optional(
    leaf(settings.hostHeader.type, 'The `Host` that it gets; as the pool has it by default.'),
  ),
  backup: optional(flag('Whether it is used only where no other backend is usable.', false)),
  healthPort: optional(leaf(integer(1, MAX_PORT), 'Port of health checks; as the pool has it by default.')),
  healthHost: optional(
    leaf(settings.healthHost.type, '`Host` of health checks; as the pool has it by default.'),
  ),
  ca: optional(file('PEM file of the authorities that may have signed its certificate.')),
  cert: optional(file('PEM file of the certificate that it is shown.')),
  key: optional(file('PEM file of the private key of `cert`.')),
  servername: optional(
    leaf(
      settings.upstreamServername.type,
      'Host name that it is asked for, and that its certificate is for.',
    ),
  ),
  rejectUnauthorized: optional(flag('Whether its certificate is checked.', true)),
} satisfies Record<keyof BackendSpec, TSchema>

const Backend = oneOf(
  [text('a URL', 'The URL of a backend.'), fields(backendFields, 'A backend with settings of its own.')],
  'A backend: its URL, or a URL with settings of its own.',
  'a URL, or { url, weight, … }',
)

/** The settings of a pool, under the names of the plugin's options. */
const poolFields = Object.fromEntries(
  poolSettingNames.map((name) => {
    const { type, default: fallback, meaning, meaningOfOption, secret }: Setting = settings[name]
    const description = meaningOfOption ?? meaning
    const schema = name === 'backends' ? listOf(Backend, description, []) : leaf(type, description, fallback)
    return [name, optional(secret ? secretOf(schema) : schema)]
  }),
)

const Pool = Type.Unsafe<Partial<PoolSettings>>(
  fields(poolFields, 'A pool: backends, and how they are chosen, checked and used.'),
)

export const FileSchema = fields(
  {
    version: optional(
      leaf({ schema: Type.Literal(1), accepts: '1', read: Number }, 'Version of this format.', 1),
    ),
    listen: optional(
      listOf(
        fields(
          {
            host: optional(leaf(hostName, 'Address.', settings.host.default)),
            port: leaf(port, 'Port; `0` for any free port.'),
          },
          'An address where traffic enters.',
        ),
        'Where traffic enters. By default `HOST` and `PORT`.',
      ),
    ),
    workers: optional(leaf(settings.workers.type, 'Threads that carry traffic. By default `WORKERS`.')),
    admin: optional(
      oneOf(
        [leaf(choice('off'), 'No admin API.'), Admin],
        'The admin API, or `off` for none. By default `ADMIN_HOST`, `ADMIN_PORT` and `ADMIN_TOKEN`.',
        '"off", or { host, port, tokenFile }',
      ),
    ),
    pools: byName(
      Pool,
      POOL_NAME,
      '1 to 64 characters of A-Z a-z 0-9 . _ ~ -, the first a letter or a digit',
      'Pools by name. Settings that a pool leaves out are those of the environment.',
      1,
    ),
    routes: optional(
      listOf(
        RouteSchema,
        'The routes. They may be left out where there is one pool, which gets every request then.',
      ),
    ),
  },
  'The file of a gateway.',
)

export type FileValue = Static<typeof FileSchema>
