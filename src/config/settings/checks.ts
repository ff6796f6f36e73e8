import { type HealthInitial, healthInitials, MAX_PORT } from '../../balancer/backends/spec.js'
import { defaults } from '../../balancer/options.js'
import { choice, hostField, integer, milliseconds, statuses, text } from '../setting-types.js'
import { group, setting } from './setting.js'

const inARow = integer(1, 1000)

export const checks = group('Active checks', {
  healthPath: setting({
    type: text(/^\/[\x21\x22\x24-\x7e]*$/, 'a path that starts with /'),
    default: '',
    meaning: 'Path of the active health check; empty for no active check',
  }),
  healthPort: setting({
    type: integer(0, MAX_PORT, '', "for the backend's own"),
    default: 0,
    meaning:
      'Port that health checks connect to; `0` for the port of the backend. The `healthPort` of a backend takes precedence. It does not apply to Unix sockets',
  }),
  healthHost: setting({
    type: hostField,
    default: '',
    meaning:
      '`Host` of health checks; empty for [the Host of the requests](concepts/health.md#active-checks). The `healthHost` of a backend takes precedence',
  }),
  healthInitial: setting({
    type: choice<HealthInitial>(...healthInitials),
    default: defaults.healthInitial,
    meaning:
      'Whether a backend gets requests before its first health check has passed: `usable` for yes, `unusable` for no, also after a restart',
  }),
  healthInterval: setting({
    type: milliseconds(1),
    default: 2000,
    meaning: 'Time between two health checks of a backend, give or take a tenth',
  }),
  healthTimeout: setting({
    type: milliseconds(1),
    default: 1000,
    meaning: 'Longest time that a health check may take',
  }),
  healthStatus: setting({
    type: statuses,
    default: '200-399',
    meaning: 'Statuses with which a health check passes, like `200-299,401`',
  }),
  healthRise: setting({
    type: inARow,
    default: 2,
    meaning: 'Health checks that must pass in a row before an unhealthy backend is healthy',
  }),
  healthFall: setting({
    type: inARow,
    default: 3,
    meaning: 'Health checks that must fail in a row before a healthy backend is unhealthy',
  }),
})
