import { milliseconds, text } from '../setting-types.js'
import { group, setting } from './setting.js'

export const shutdown = group('Shutdown and restart', {
  stateFile: setting({
    type: text(/^[^\0]+$/, 'a path'),
    default: '',
    meaning:
      'File that keeps registered backends, weights, drains and the policy [over restarts](concepts/state.md); its folder must exist. Empty for no file',
  }),
  shutdownDelay: setting({
    type: milliseconds(0, 'for none'),
    default: 0,
    meaning:
      'Time for which the gateway still accepts connections after a signal that ends it, while `/readyz` already fails, so that a balancer in front notices',
  }),
  shutdownTimeout: setting({
    type: milliseconds(0),
    default: 30_000,
    meaning:
      'Longest time that requests in flight may take when the gateway shuts down, counted from the end of `SHUTDOWN_DELAY`; then they are cut',
  }),
})
