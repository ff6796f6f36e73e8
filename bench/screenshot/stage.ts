import { request } from 'undici'
import { type DemoGateway, startGateway } from '../demo/gateway.js'
import { poisson } from '../rig/arrivals.js'
import { HEALTH, RigBackend } from '../rig/backend.js'
import { load } from '../rig/load.js'

/** A gateway with backends and clients, as something to look at. */
export class Stage {
  readonly backends: RigBackend[]
  readonly #stop = new AbortController()
  #gateway: DemoGateway | undefined
  #load: Promise<unknown> | undefined

  constructor(ids: string[]) {
    const workOf = () => 8 + Math.random() * 8
    this.backends = ids.map((id) => new RigBackend({ id, workers: 8, queue: 100, workOf }))
  }

  get admin(): string {
    return this.gateway.admin
  }

  get gateway(): DemoGateway {
    if (!this.#gateway) throw new Error('the stage was not opened')
    return this.#gateway
  }

  /** @param env of the gateway */
  async open(env: Record<string, string> = {}): Promise<this> {
    const urls = await Promise.all(this.backends.map((backend) => backend.listen()))
    const settings = { HEALTH_PATH: HEALTH, SLOW_START: '0', EJECT_BASE: '60000', ...env }
    this.#gateway = await startGateway(
      urls.map((url, i) => `${url};id=${this.backends[i]?.id}`),
      settings,
    )
    return this
  }

  /** @param rate requests a second, from now on */
  serve(rate: number): void {
    this.#load = load({
      url: this.gateway.traffic,
      arrivals: poisson(rate, Number.POSITIVE_INFINITY, Math.random),
      timeout: 5000,
      signal: this.#stop.signal,
    })
  }

  /** A call of the admin API. */
  async call(method: 'POST' | 'PATCH' | 'DELETE', path: string, body: object = {}): Promise<void> {
    const reply = await request(`${this.admin}/${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    await reply.body.dump()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#load
    await this.#gateway?.stop()
    for (const backend of this.backends) backend.close()
  }
}
