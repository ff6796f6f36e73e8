import { affinityDrains } from '../../balancer/changing-options.js'
import { defaults } from '../../balancer/options.js'
import { affinitySetting, choice, overloadPercent, text } from '../setting-types.js'
import { group, setting } from './setting.js'

/** Shortest secret, in characters: a shorter one could be found by trying. */
const SECRET = /^[\x21-\x7e]{16,}$/

export const affinity = group('Affinity', {
  affinity: setting({
    type: affinitySetting,
    default: defaults.affinity,
    meaning:
      '[Affinity](concepts/affinity.md): requests of one key go to one backend. The key is the address of the client (`ip`), a cookie of the gateway (`cookie`, or `cookie:NAME` for another name than `leastwise`), or a field of the request (`header:NAME`). `off`: requests have no key',
  }),
  affinityOverload: setting({
    type: overloadPercent,
    default: defaults.affinityOverload,
    meaning:
      '[Load past which a backend is passed over](concepts/affinity.md#bounded-load) for the next one of a key, in percent of its part of all requests in flight; `0` for any load',
  }),
  affinityDrain: setting({
    type: choice(...affinityDrains),
    default: defaults.affinityDrain,
    meaning:
      'What becomes of the keys of a [backend that drains](concepts/affinity.md#draining): it keeps them for nine tenths of the time for the drain (`keep`), or they move to others at once (`move`)',
  }),
  affinitySecret: setting({
    type: text(SECRET, 'at least 16 characters of printable ASCII without blanks'),
    default: '',
    meaning:
      'Secret by which the cookie of `AFFINITY` is signed, of at least 16 characters. Empty for a random one: then a cookie is good until the process ends, and only in this process. Gateways that share clients need the same one',
    secret: true,
  }),
})
