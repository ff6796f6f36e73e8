import { hostHeaders } from '../../balancer/backends/spec.js'
import type { UnderscoreHeaders } from '../../proxy/http/fields.js'
import { bytes, choice, integer, trustedProxies } from '../setting-types.js'
import { group, setting } from './setting.js'

/** Lower bound of the setting, in bytes. A lower limit would refuse the responses of ordinary backends. */
const MIN_RESPONSE_HEAD_BYTES = 1024
/** Upper bound of the setting, in bytes. Each connection to a backend may need as much memory as the limit. */
const MAX_RESPONSE_HEAD_BYTES = 16 * 1024 * 1024
/** Upper bound of the setting, in bytes. A body may be held in memory for each request. */
const MAX_REQUEST_BUFFER_BYTES = 1024 ** 3

export const messages = group('Requests and responses', {
  hostHeader: setting({
    type: choice(...hostHeaders),
    default: 'client',
    meaning:
      "`Host` that backends get: `client` for the client's, `backend` for the address of the backend. The `hostHeader` of a backend takes precedence",
  }),
  trustProxy: setting({
    type: trustedProxies,
    default: false,
    meaning:
      "[Proxies that may say who the client is](gateway.md#who-the-client-is): `false` for none, `true` for everyone who connects, a number of hops, or a list of addresses and ranges like `10.0.0.0/8,::1`. The plugin follows the app's own `trustProxy` unless the option is given",
  }),
  underscoreHeaders: setting({
    type: choice<UnderscoreHeaders>('drop', 'pass'),
    default: 'drop',
    meaning:
      'Request fields with an underscore in their name, which CGI and WSGI do not distinguish from fields with a hyphen: `drop` or `pass`',
  }),
  via: setting({
    type: choice('on', 'off'),
    default: 'on',
    meaning: 'Whether a `Via` field is added to requests and responses: `on` or `off`',
  }),
  maxBody: setting({
    type: bytes('for any'),
    default: 0,
    meaning: 'Largest request body; a larger one gets 413; `0` for no limit',
  }),
  requestBuffer: setting({
    type: integer(0, MAX_REQUEST_BUFFER_BYTES, 'bytes', 'for none'),
    default: 0,
    meaning: `[Bytes of a request body that are read before a backend is chosen](operations.md#slow-uploads), at most ${MAX_REQUEST_BUFFER_BYTES}, so that a slow client holds no place on a backend meanwhile; \`0\` for none. A body that is read whole can be sent again with a retry. Each request that waits or has no response yet takes up to as much memory`,
  }),
  maxResponseHeaders: setting({
    type: integer(MIN_RESPONSE_HEAD_BYTES, MAX_RESPONSE_HEAD_BYTES, 'bytes'),
    default: 65_536,
    meaning: `Largest head of a backend's response, from ${MIN_RESPONSE_HEAD_BYTES} to ${MAX_RESPONSE_HEAD_BYTES}. Trailers have the same limit. A larger one gets 502, and so does one with more than 25,000 fields`,
  }),
})
