import { systemClock } from '../../src/balancer/time/clock.js'
import { RedisConnection } from '../../src/stores/redis/connection.js'

// A process with a connection to a store, which a test stops or watches. It is told what to do by messages, and says what
// happens.

/** Longer than anything that is left of a closed connection may last. */
const LEFTOVER_MS = 1500
const SAY_INTERVAL_MS = 20

const url = process.argv[2] as string
const say = (what: unknown) => process.send?.(what)
const connection = await RedisConnection.open(url, systemClock)
connection.on('away', ({ why }) => say(`away: ${why}`))
connection.on('back', () => say('back'))

process.on('message', (what) => {
  if (what === 'close') {
    process.disconnect()
    process.removeAllListeners('message')
    connection.close()
    setTimeout(() => process.exit(3), LEFTOVER_MS).unref()
  }
  if (what === 'time') {
    setInterval(
      () => say({ isAway: connection.isAway, ahead: connection.now() - Date.now() }),
      SAY_INTERVAL_MS,
    )
  }
})
say('started')
