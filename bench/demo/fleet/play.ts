import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import type { DemoGateway } from '../gateway.js'
import type { DemoStore } from './store.js'

/** One thing that happened, and what each gateway showed of it. */
export interface Scene {
  what: string
  /** By gateway, in their order, `-` for one that is gone; or one answer. */
  seen: string[] | string
  /** Milliseconds until all gateways that are left showed it; undefined where they did not. */
  took: number | undefined
}

/** Longest time that is waited until all gateways show something. */
const PATIENCE_MS = 8000
/** The same where they share no store, and so do not all show it. */
const ALONE_MS = 1000
/** How often the gateways are asked what they show. */
const LOOK_EVERY_MS = 5

/** Three gateways, some of which may be gone. */
export type Gateways = (DemoGateway | undefined)[]

/** A change over the admin API of one gateway. @returns the status, and the code of an error */
export async function change(gateway: DemoGateway, path: string): Promise<string> {
  const { statusCode, body } = await request(gateway.admin + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  })
  const { code } = (await body.json()) as { code?: string }
  return code === undefined ? String(statusCode) : `${statusCode} ${code}`
}

/** Looks until every gateway shows what is wanted. */
export async function watch(
  what: string,
  gateways: Gateways,
  look: (gateway: DemoGateway) => Promise<string>,
  wanted: string,
  patience = PATIENCE_MS,
): Promise<Scene> {
  const began = performance.now()
  for (;;) {
    const seen = await Promise.all(gateways.map((gateway) => (gateway ? look(gateway) : '-')))
    const passed = performance.now() - began
    if (seen.every((text) => text === wanted || text === '-')) return { what, seen, took: passed }
    if (passed > patience) return { what, seen, took: undefined }
    await sleep(LOOK_EVERY_MS)
  }
}

/** The state of a backend, as a gateway shows it. */
export const stateOf = (id: string) => async (gateway: DemoGateway) =>
  (await gateway.backends()).find((backend) => backend.id === id)?.state ?? 'gone'

/** How many gateways a gateway knows, itself included. */
export async function fleetOf({ admin }: DemoGateway): Promise<string> {
  const { body } = await request(`${admin}/gateways`)
  const { gateways } = (await body.json()) as { gateways: unknown[] }
  return `${gateways.length} gateways`
}

/** Whether a gateway has its store. */
export async function storeOf({ admin }: DemoGateway): Promise<string> {
  const { body } = await request(`${admin}/pool`)
  const { store } = (await body.json()) as { store?: { away: boolean } | null }
  return store?.away ? 'away' : 'there'
}

/**
 * What happens to the gateways, one thing after the other.
 * @param leave called before the gateway of this number is killed, so that nobody goes on to ask it
 */
export async function* scenes(
  gateways: Gateways,
  store: DemoStore | undefined,
  leave: (gateway: number) => void,
): AsyncGenerator<Scene> {
  const [first, second] = gateways as [DemoGateway, DemoGateway]
  await change(first, '/backends/c/drain')
  const patience = store ? PATIENCE_MS : ALONE_MS
  yield await watch('c drained at a', gateways, stateOf('c'), 'draining', patience)
  // Without a store each gateway has to be told.
  for (const gateway of store ? [second] : gateways)
    if (gateway) await change(gateway, '/backends/c/activate')
  yield await watch(`c activated at ${store ? 'b' : 'each'}`, gateways, stateOf('c'), 'active')
  if (!store) return
  if (store.kill) {
    await store.kill()
    yield await watch('store killed', gateways, storeOf, 'away')
    const refused = await change(first, '/backends/c/drain')
    yield { what: 'drain asked at a', seen: refused, took: undefined }
    await store.start()
    yield await watch('store back, empty', gateways, storeOf, 'there')
  }
  leave(2)
  await gateways[2]?.kill()
  gateways[2] = undefined
  yield await watch('gateway c killed', gateways, fleetOf, '2 gateways')
}
