import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { request } from 'undici'
import type { BackendView } from '../../src/balancer/backends/backend-view.js'
import { spawn } from '../../test/support/children.js'

const server = fileURLToPath(new URL('../../src/gateway/main.js', import.meta.url))
/** The gateway reads no `.env` here: one of a real gateway may name its state file and its token. */
const folder = fileURLToPath(new URL('.', import.meta.url))

/** The stand-alone gateway, as a process of its own, as `npm start` runs it. */
export interface DemoGateway {
  traffic: string
  admin: string
  backends(): Promise<BackendView[]>
  setPolicy(policy: string): Promise<void>
  stop(): Promise<void>
  /** Ends it as kill -9 does. */
  kill(): Promise<void>
}

/** Without retries and passive health, which would hide what a choice costs. */
const choiceAlone = { RETRIES: '0', EJECT_MAX_PERCENT: '0', FAILURE_DECAY: '0' }

export async function startGateway(
  backends: string[],
  env: Record<string, string> = choiceAlone,
): Promise<DemoGateway> {
  const child = spawn(process.execPath, [server], {
    cwd: folder,
    env: { PATH: process.env.PATH, PORT: '0', ADMIN_PORT: '0', BACKENDS: backends.join(), ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    // Of a group of its own: a Ctrl-C is for whoever started it, who stops it when all is done.
    detached: true,
  })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const [admin, traffic] = await new Promise<string[]>((resolve, reject) => {
    const addresses: string[] = []
    child.once('exit', (code) => reject(new Error(`the gateway ended with exit code ${code}`)))
    // Reading on keeps the pipe from filling up.
    createInterface({ input: child.stdout }).on('line', (line) => {
      const address = /Server listening at (http[^"]*)/.exec(line)?.[1]
      if (address && addresses.push(address) === 2) resolve(addresses)
    })
  })
  const end = async (signal: NodeJS.Signals) => {
    process.off('exit', kill)
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }
  return {
    traffic: traffic as string,
    admin: admin as string,
    async backends() {
      const { body } = await request(`${admin}/backends`)
      return ((await body.json()) as { backends: BackendView[] }).backends
    },
    async setPolicy(policy) {
      const { statusCode, body } = await request(`${admin}/policy`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ policy }),
      })
      if (statusCode !== 200) throw new Error(await body.text())
      await body.dump()
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  }
}
