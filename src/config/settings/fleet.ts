import { fleetCountsModes } from '../../balancer/changing-options.js'
import { defaults } from '../../balancer/options.js'
import { choice, text } from '../setting-types.js'
import { group, setting } from './setting.js'

export const fleet = group('Several gateways', {
  store: setting({
    type: text(/^rediss?:\/\/\S+$/, 'redis://host:port or rediss://host:port'),
    default: '',
    meaning:
      'Redis or Valkey server [where gateways share](guides/fleet.md) backends, drains, the policy and counts. Not together with `STATE_FILE`. Empty for a gateway of its own',
    secret: true,
  }),
  gatewayId: setting({
    type: text(/^[A-Za-z0-9._~-]{1,64}$/, '1 to 64 letters, digits and ._~-'),
    default: '',
    meaning:
      'Name of this gateway in the store and in `GET /gateways`. Empty for the name of the host and a random part',
  }),
})

export const fleetCounts = group('Choice among several gateways', {
  fleetCounts: setting({
    type: choice(...fleetCountsModes),
    default: defaults.fleetCounts,
    meaning:
      'Whether requests that other gateways have in flight [count in a choice](concepts/selection.md#several-gateways), where a `STORE` is shared. `off`: they are only shown',
  }),
})
