import { pino } from 'pino'
import { parseConfig } from '../../src/config/environment.js'
import { createGateway } from '../../src/gateway/gateway.js'

/** What the gateway's process takes, after garbage collections. */
export interface Memory {
  /** Bytes of its memory that are in the machine's. */
  rss: number
  /** Bytes of objects. */
  heap: number
  /** Bytes that objects hold outside of the heap. */
  external: number
}

/** The gateway as a process of its own, which tells its parent what it takes whenever it is asked. */
async function main(): Promise<void> {
  const settings = parseConfig({ ...process.env, PORT: '0', ADMIN_PORT: 'off', LOG_LEVEL: 'silent' })
  const gateway = await createGateway(settings, pino({ level: 'silent' }))
  await gateway.listen()
  process.on('message', async () => {
    // What one collection has ended may hold what the next one can free.
    for (let i = 0; i < 4; i++) {
      globalThis.gc?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
    const { rss, heapUsed: heap, external } = process.memoryUsage()
    process.send?.({ rss, heap, external } satisfies Memory)
  })
  // Who presses Ctrl-C wants the parent to stop.
  process.on('SIGINT', () => {})
  process.on('disconnect', () => process.exit())
  process.send?.(gateway.origins[0])
}

main()
