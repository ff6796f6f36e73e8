import { pino } from 'pino'
import type { Backend } from '../../src/balancer/backends/backend.js'
import type { Balancer } from '../../src/balancer/balancer.js'
import { parseConfig } from '../../src/config/environment.js'
import { createGateway } from '../../src/gateway/gateway.js'

/** A stand-alone gateway in this process, so that its counts can be read at any moment. */
export interface Gateway {
  url: string
  balancer: Balancer
  /** What it logged at `error` and above. */
  complaints: string[]
  /** Resolves once no request is in flight. */
  settled(): Promise<void>
  backend(index?: number): Backend
  close(): Promise<unknown>
}

/** Whatever fails stays where it is. */
export const noPassiveHealth = { EJECT_MAX_PERCENT: '0', FAILURE_DECAY: '0' }

export async function openGateway(
  backends: (string | { url: string })[],
  env: Record<string, string> = {},
): Promise<Gateway> {
  const urls = backends.map((backend) => (typeof backend === 'string' ? backend : backend.url))
  const complaints: string[] = []
  const logger = pino({ level: 'error' }, { write: (line: string) => complaints.push(line) })
  // A machine that is busy with other tests is to make it neither shed requests nor give up connecting.
  const patient = { MAX_EVENT_LOOP_DELAY: '0', CONNECT_TIMEOUT: '30000' }
  const settings = parseConfig({ PORT: '0', ADMIN_PORT: 'off', BACKENDS: urls.join(), ...patient, ...env })
  const gateway = await createGateway(settings, logger)
  await gateway.listen()
  const { balancer, listeningOrigin } = gateway.traffic
  return {
    url: listeningOrigin,
    balancer,
    complaints,
    async settled() {
      while (balancer.registry.inFlight > 0) await new Promise(setImmediate)
    },
    backend: (index = 0) => balancer.registry.list()[index] as Backend,
    close: () => gateway.close(0),
  }
}
