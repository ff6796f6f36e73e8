import { MAX_CONNECTIONS } from '../../balancer/backends/spec.js'
import { defaults } from '../../balancer/options.js'
import { type PolicyName, policyNames } from '../../balancer/selection/policies/index.js'
import { backendList, choice, integer, milliseconds, percent } from '../setting-types.js'
import { group, setting } from './setting.js'

export const backends = group('Backends', {
  backends: setting({
    type: backendList,
    default: [],
    meaning:
      'Backends that are registered at the start, comma-separated: `http://10.0.0.1:8080;weight=2;maxConnections=100;id=a,http://…`. A backend also takes `hostHeader=backend`, `backup=true`, `healthPort=9000` and `healthHost=shop.example`. `unix:/run/app.sock` is a backend on a [Unix socket](guides/unix-sockets.md). The list may be empty, because backends can be registered over the admin API',
    meaningOfOption: 'Backends that are there from the start: URLs, or whole descriptions',
  }),
  policy: setting({
    type: choice<PolicyName>(...policyNames),
    default: defaults.policy as PolicyName,
    meaning: `[Policy that chooses a backend](concepts/selection.md#policies): ${policyNames.map((name) => `\`${name}\``).join(', ')}`,
  }),
  maxConnections: setting({
    type: integer(0, MAX_CONNECTIONS, 'requests', 'for no limit'),
    default: defaults.maxConnections,
    meaning:
      'Requests that a backend may have in flight, unless it has a `maxConnections` of its own; `0` for no limit',
  }),
  tunnelWeight: setting({
    type: percent,
    default: defaults.tunnelWeight,
    meaning:
      'What a WebSocket or another [tunnel](concepts/selection.md#tunnels) without traffic counts in a choice, in percent of a request. Where a backend is chosen for another upgrade, each tunnel counts in full',
  }),
  slowStart: setting({
    type: milliseconds(0, 'for none'),
    default: defaults.slowStart,
    meaning:
      '[Slow start](concepts/lifecycle.md#slow-start): time in which the share of a backend that joins or recovers grows to its fair share; `0` for no slow start',
  }),
  drainTimeout: setting({
    type: milliseconds(0),
    default: defaults.drainTimeout,
    meaning:
      'Longest time that requests in flight may take when their backend is drained, or when the app that the plugin is in closes; then they are cut',
  }),
})
