import { systemClock } from '../../src/balancer/time/clock.js'
import { redisStore } from '../../src/stores/redis/redis-store.js'

/** Gateways whose counts change all the time, on each of their backends; run as a process of their own. */
const [url = '', pool = '', gateways = '', backends = ''] = process.argv.slice(2)

const urls = Array.from({ length: Number(backends) }, (_, i) => `http://backend-${i}.example:8080`)
const counts = () => ({
  inFlight: new Map(urls.map((backend) => [backend, 1 + Math.floor(20 * Math.random())])),
  quiet: new Map<string, number>(),
})

for (let i = 0; i < Number(gateways); i++) {
  // Gateways do not speak at the same time.
  systemClock.after(1000 * Math.random(), async () => {
    const store = redisStore(url, { id: `sender-${i}` })
    store.forPool(pool).fleet.counts.join({ counts, heard() {}, left() {} })
    await store.open()
  })
}
// The timers of a clock do not keep a process alive.
setInterval(() => {}, 60_000)
