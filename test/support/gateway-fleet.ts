import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { Agent, request } from 'undici'
import { answering, type TestBackend } from './backend.js'
import { callJson } from './client.js'
import { type GatewayProcess, startGateway } from './process.js'
import { seeded } from './random.js'
import type { RedisServer } from './redis-server.js'
import { TcpProxy } from './tcp-proxy.js'
import { until } from './until.js'

/** A change that is asked for, and what it leaves behind where it is made. */
interface Change {
  method: string
  path: string
  body?: object
  apply(model: Model): void
}

interface Model {
  policy: string
  /** Weight and state of backends by id. */
  backends: Map<string, { weight: number; state: string }>
}

const BACKENDS = 4
const SPARES = 4
/** Milliseconds between two rounds of requests, and requests of a round at each gateway: 300 a second. */
const ROUND_MS = 10
const REQUESTS_OF_A_ROUND = 3
const POLICIES = ['least-connections', 'round-robin', 'power-of-two', 'least-response-time']

/** Three gateways as processes that share a store, under steady load, with an operator who changes things at random. */
export class GatewayFleet {
  readonly gateways: GatewayProcess[]
  /** The links of the gateways to the store. */
  readonly links: TcpProxy[]
  readonly #spares: TestBackend[]
  readonly #random: () => number
  readonly #agent = new Agent({ connections: 100 })
  readonly #model: Model = { policy: POLICIES[0] as string, backends: new Map() }
  /** Requests that did not get 200, by what they got. */
  readonly failures = new Map<string, number>()
  /** Changes of which it is not known whether they were made. */
  readonly #doubts: ((model: Model) => void)[] = []
  #requests = 0
  #open = 0
  #timer: NodeJS.Timeout | undefined

  private constructor(
    gateways: GatewayProcess[],
    links: TcpProxy[],
    [backends, spares]: [TestBackend[], TestBackend[]],
    seed: number,
  ) {
    this.gateways = gateways
    this.links = links
    this.#spares = spares
    this.#random = seeded(seed)
    for (const { url } of backends) this.#model.backends.set(idOf(url), { weight: 1, state: 'active' })
  }

  static async start(
    t: TestContext,
    store: RedisServer,
    { env = {}, seed = 1 }: { env?: Record<string, string>; seed?: number } = {},
  ): Promise<GatewayFleet> {
    const make = (count: number) => Promise.all(Array.from({ length: count }, () => answering(5)))
    const backends: [TestBackend[], TestBackend[]] = [await make(BACKENDS), await make(SPARES)]
    const links = await Promise.all(['a', 'b', 'c'].map(() => TcpProxy.start(t, store.port)))
    const gateways = await Promise.all(
      links.map(({ url }, i) =>
        startGateway({
          STORE: url,
          GATEWAY_ID: 'abc'[i] as string,
          BACKENDS: backends[0].map((backend) => backend.url).join(),
          SLOW_START: '0',
          CONNECT_TIMEOUT: '10000',
          SHUTDOWN_TIMEOUT: '1000',
          ...env,
        }),
      ),
    )
    const fleet = new GatewayFleet(gateways, links, backends, seed)
    t.after(async () => {
      clearInterval(fleet.#timer)
      await Promise.all(gateways.map((gateway) => gateway.stop('SIGKILL')))
      await fleet.#agent.destroy()
      for (const backend of backends.flat()) await backend.close()
    })
    await fleet.meet(gateways.length)
    return fleet
  }

  /** Waits until each gateway that is left knows so many, itself included. */
  async meet(count: number, gateways = this.gateways): Promise<void> {
    for (const gateway of gateways)
      await until(
        async () => (await callJson('GET', `${gateway.admin}/gateways`)).json.gateways.length,
        (length) => length === count,
      )
  }

  /** Sends 300 requests a second to each gateway, until {@link rest}. */
  work(gateways = this.gateways): void {
    this.#timer = setInterval(() => {
      for (const { url } of gateways) for (let i = 0; i < REQUESTS_OF_A_ROUND; i++) this.#send(url)
    }, ROUND_MS)
  }

  /** Sends no more, and waits for what is under way. @returns the number of requests so far */
  async rest(): Promise<number> {
    clearInterval(this.#timer)
    await until(
      () => this.#open,
      (open) => open === 0,
    )
    return this.#requests
  }

  /** Asks for changes, one after the other, each at a random gateway. @returns what became of each */
  async change(count: number, gateways = this.gateways): Promise<{ made: number; refused: number }> {
    let made = 0
    for (let i = 0; i < count; i++) if (await this.changeAt(this.#pick(gateways))) made++
    return { made, refused: count - made }
  }

  /** Asks for a change. @returns whether it was made */
  async changeAt({ admin }: GatewayProcess): Promise<boolean> {
    const { method, path, body, apply } = this.#next()
    const { status, json } = await callJson(method, admin + path, body)
    if (status < 300) apply(this.#model)
    else {
      assert.equal(status, 503, `${method} ${path}: ${status} ${JSON.stringify(json)}`)
      assert.equal(json.code, 'LEASTWISE_STATE_NOT_SAVED')
      // What is not known now is seen when all have the same.
      if (!/nothing was changed/.test(json.message)) this.#doubts.push(apply)
    }
    return status < 300
  }
  /**
   * Waits until all gateways have the same, which is what was acknowledged and nothing else.
   * @returns milliseconds that this took
   */
  async agree(gateways = this.gateways): Promise<number> {
    const began = performance.now()
    const wanted = new Set([textOf(this.#model)])
    // A change of which nothing is known may have been made.
    for (const apply of this.#doubts.splice(0)) {
      const other = { ...this.#model, backends: new Map(structuredClone([...this.#model.backends])) }
      apply(other)
      wanted.add(textOf(other))
    }
    const views = await until(
      () => Promise.all(gateways.map(viewOf)),
      (seen) =>
        seen.every(({ tag, text }) => tag === seen[0]?.tag && text === seen[0]?.text) &&
        wanted.has(seen[0]?.text as string),
    )
    this.#learn(views[0]?.text as string)
    return performance.now() - began
  }

  /** Waits until no gateway has a request in flight, here or elsewhere. */
  async settle(gateways = this.gateways): Promise<void> {
    for (const { admin } of gateways)
      await until(
        async () => (await callJson('GET', `${admin}/backends`)).json.backends as Record<string, number>[],
        (backends) =>
          backends.every(({ inFlight, inFlightElsewhere }) => inFlight === 0 && inFlightElsewhere === 0),
      )
  }

  /** Lines of an event in the logs of all gateways. */
  lines(event: string): Record<string, unknown>[] {
    return this.gateways.flatMap(({ lines }) => lines.filter((line) => line.event === event))
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)] as T
  }

  #next(): Change {
    const { backends } = this.#model
    const weight = 1 + Math.floor(this.#random() * 9)
    const spares = this.#spares.map(({ url }) => ({ url, id: idOf(url) }))
    const absent = spares.filter(({ id }) => !backends.has(id))
    const present = spares.filter(({ id }) => backends.has(id))
    const kind = Math.floor(this.#random() * 6)
    if (kind === 0 && absent.length > 0) {
      const { url, id } = this.#pick(absent)
      return {
        method: 'POST',
        path: '/backends',
        body: { url, id, weight },
        apply: (model) => model.backends.set(id, { weight, state: 'active' }),
      }
    }
    if (kind === 1 && present.length > 0) {
      const { id } = this.#pick(present)
      return { method: 'DELETE', path: `/backends/${id}`, apply: (model) => model.backends.delete(id) }
    }
    if (kind === 2) {
      const policy = this.#pick(POLICIES)
      return {
        method: 'PUT',
        path: '/policy',
        body: { policy },
        apply: (model) => {
          model.policy = policy
        },
      }
    }
    // The first two always take requests.
    const id = this.#pick([...backends.keys()].slice(2))
    const set = (change: object) => (model: Model) => {
      model.backends.set(id, { ...(model.backends.get(id) as { weight: number; state: string }), ...change })
    }
    if (kind === 3)
      return { method: 'POST', path: `/backends/${id}/drain`, body: {}, apply: set({ state: 'draining' }) }
    if (kind === 4)
      return { method: 'POST', path: `/backends/${id}/activate`, body: {}, apply: set({ state: 'active' }) }
    return { method: 'PATCH', path: `/backends/${id}`, body: { weight }, apply: set({ weight }) }
  }

  #learn(text: string): void {
    const { policy, backends } = JSON.parse(text)
    this.#model.policy = policy
    this.#model.backends.clear()
    for (const [id, backend] of backends) this.#model.backends.set(id, backend)
  }

  async #send(url: string): Promise<void> {
    this.#requests++
    this.#open++
    let outcome: string
    try {
      const { statusCode, body } = await request(url, { dispatcher: this.#agent })
      const text = await body.text()
      outcome = statusCode === 200 ? '' : `${statusCode} ${text}`
    } catch (error) {
      outcome = (error as Error).message
    }
    this.#open--
    if (outcome !== '') this.failures.set(outcome, (this.failures.get(outcome) ?? 0) + 1)
  }
}

function idOf(url: string): string {
  return new URL(url).host.replace(':', '-')
}

function textOf({ policy, backends }: Model): string {
  return JSON.stringify({ policy, backends: [...backends].sort(([a], [b]) => (a < b ? -1 : 1)) })
}

/** What a gateway says of its backends and its policy, without counts, and the tag of both. */
async function viewOf({ admin }: GatewayProcess): Promise<{ text: string; tag: string }> {
  const { json, headers } = await callJson('GET', `${admin}/backends`)
  const { json: chosen, headers: policyHeaders } = await callJson('GET', `${admin}/policy`)
  const backends = new Map<string, { weight: number; state: string }>()
  for (const { id, weight, state } of json.backends) backends.set(id, { weight, state })
  return { text: textOf({ policy: chosen.policy, backends }), tag: `${headers.etag} ${policyHeaders.etag}` }
}
