import { type PanicMode, panicModes } from '../../balancer/health/panic.js'
import { defaults } from '../../balancer/options.js'
import { choice, failureStatusesOrOff, integer, milliseconds, percent } from '../setting-types.js'
import { group, setting } from './setting.js'

export const failures = group('Ejection, failure penalty and panic', {
  ejectConsecutive: setting({
    type: integer(1, 1000),
    default: defaults.ejectConsecutive,
    meaning: 'Failures in a row after which a backend is ejected',
  }),
  ejectBase: setting({
    type: milliseconds(1),
    default: defaults.ejectBase,
    meaning:
      "Length of a backend's first ejection; the second is twice as long, the third three times, and so on",
  }),
  ejectMax: setting({
    type: milliseconds(1),
    default: defaults.ejectMax,
    meaning: 'Longest ejection of a backend',
  }),
  ejectMaxPercent: setting({
    type: percent,
    default: defaults.ejectMaxPercent,
    meaning: 'Largest part of the pool that may be ejected at once; `0` for no ejection',
  }),
  failureStatus: setting({
    type: failureStatusesOrOff,
    default: '500,502-504',
    meaning: 'Response statuses that count as failures of their backend, from 400 to 599; `off` for none',
  }),
  failureDecay: setting({
    type: milliseconds(0, 'for no penalty'),
    default: defaults.failureDecay,
    meaning:
      'Time in which the penalty that a backend has for its failures falls to a third; `0` for no penalty',
  }),
  panic: setting({
    type: choice<PanicMode>(...panicModes),
    default: defaults.panic,
    meaning:
      '[Backends that are used when too few are usable](concepts/health.md#panic): `ejected` for ejected ones, `unhealthy` for ejected and unhealthy ones, `off` for none',
  }),
  panicThreshold: setting({
    type: percent,
    default: defaults.panicThreshold,
    meaning:
      'Part of the active backends that must be usable; below it the pool panics. `0`: the pool panics when none is usable',
  }),
})
