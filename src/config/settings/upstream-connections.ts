import { milliseconds } from '../setting-types.js'
import { group, setting } from './setting.js'

export const upstreamConnections = group('Connections to backends', {
  upstreamKeepAlive: setting({
    type: milliseconds(0, 'for a new connection for each request'),
    default: 4000,
    meaning:
      'Time for which an idle connection to a backend is kept; it has to be shorter than the time for which the backend keeps it. `0`: each request gets a new connection',
  }),
  maxConnectionAge: setting({
    type: milliseconds(0, 'for any age'),
    default: 300_000,
    meaning:
      'Age from which a connection to a backend takes no further request, so that a new address of its name is noticed; the request that it has goes on. `0` for any age',
  }),
})
