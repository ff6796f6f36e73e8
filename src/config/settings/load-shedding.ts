import { bytes, milliseconds } from '../setting-types.js'
import { group, setting } from './setting.js'

export const loadShedding = group('Load shedding', {
  maxEventLoopDelay: setting({
    type: milliseconds(0, 'for any'),
    default: 1000,
    meaning:
      'Delay of the event loop, averaged over a second, above which proxied requests get 503; `0` for no limit',
  }),
  maxHeapBytes: setting({
    type: bytes('for any'),
    default: 0,
    meaning: 'Heap in use above which proxied requests get 503; `0` for no limit',
  }),
})
