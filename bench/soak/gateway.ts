import { pino } from 'pino'
import { parseConfig } from '../../src/config/environment.js'
import { createGateway } from '../../src/gateway/gateway.js'

/** What the gateway holds when it has nothing to do. */
export interface Holdings {
  /** Bytes of heap after a garbage collection. */
  heap: number
  /** Sockets, timers and whatever else keeps the event loop busy, by kind. */
  resources: Record<string, number>
  inFlight: number
}

/** The gateway as a process of its own, which tells its parent what it holds whenever it is asked. */
async function main(): Promise<void> {
  const settings = parseConfig({ ...process.env, PORT: '0', ADMIN_PORT: 'off', LOG_LEVEL: 'silent' })
  const gateway = await createGateway(settings, pino({ level: 'silent' }))
  await gateway.listen()
  const balancer = gateway.balancers.get('default')
  process.on('message', () => {
    globalThis.gc?.()
    const resources: Record<string, number> = {}
    for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1
    const heap = process.memoryUsage().heapUsed
    process.send?.({ heap, resources, inFlight: balancer?.registry.inFlight ?? 0 } satisfies Holdings)
  })
  process.on('disconnect', () => process.exit())
  process.send?.(gateway.origins[0])
}

main()
