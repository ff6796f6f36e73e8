import { MAX_PORT } from '../../balancer/backends/spec.js'
import { DEFAULT_ADMIN_HOST, DEFAULT_ADMIN_PORT, TOKEN_PATTERN } from '../admin-listener.js'
import { hostName, integer, milliseconds, text, wordOr } from '../setting-types.js'
import { group, setting } from './setting.js'

const port = integer(0, MAX_PORT)

export const listeners = group('Listeners', {
  host: setting({
    type: hostName,
    default: '127.0.0.1',
    meaning: 'Address where traffic enters',
  }),
  port: setting({
    type: port,
    default: 3000,
    meaning: 'Port where traffic enters; `0` for any free port',
  }),
  adminHost: setting({
    type: hostName,
    default: DEFAULT_ADMIN_HOST,
    meaning: 'Address of the admin API',
  }),
  adminPort: setting({
    type: wordOr(port, 'off'),
    default: DEFAULT_ADMIN_PORT,
    meaning: 'Port of the admin API; `0` for any free port, `off` for no admin API',
  }),
  adminToken: setting({
    type: text(TOKEN_PATTERN, 'printable ASCII without blanks'),
    default: '',
    meaning: 'Bearer token of the admin API; required where `ADMIN_HOST` is not loopback',
    secret: true,
  }),
})

export const clientConnections = group('Connections of clients', {
  headersTimeout: setting({
    type: milliseconds(1),
    default: 10_000,
    meaning: 'Longest time that a client may take to send the head of a request',
  }),
  keepAliveTimeout: setting({
    type: milliseconds(1),
    default: 72_000,
    meaning: 'Time for which an idle client connection stays open',
  }),
})
