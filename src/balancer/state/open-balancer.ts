import { Registry } from '../backends/registry.js'
import type { ConfiguredBackend } from '../backends/spec.js'
import { Balancer } from '../balancer.js'
import { StateNotSavedError, StoreError, UnknownPolicyError } from '../errors.js'
import { FleetPool } from '../fleet/fleet-pool.js'
import { LocalMemory } from '../memory.js'
import { ObserverGuard } from '../observer-guard.js'
import { type BalancerOptions, type CompleteOptions, toRecord, withDefaults } from '../options.js'
import { isPolicyName, type PolicyName, policyNames } from '../selection/policies/index.js'
import { FleetKeeper } from './fleet-keeper.js'
import { LocalKeeper } from './local-keeper.js'
import { restorePool } from './merge.js'
import { type Loaded, readStored } from './schema.js'
import type { BackendStore } from './store.js'

/**
 * Opens a pool that begins with the state in `store`, and stores its changes from then on by `balancer.keeper`, which
 * must be closed before the pool. Where the options for a backend (identified by URL) or for the policy differ from
 * those when the state was stored, the options count; otherwise the stored state counts.
 * @throws {StoreError} where the store cannot be read or written, and the errors that {@link Balancer} throws
 */
export async function openBalancer(options: BalancerOptions, store: BackendStore): Promise<Balancer> {
  const { policy, backends, complete } = configurationOf(options)
  let balancer: Balancer | undefined
  try {
    const loaded = await loadAtStart(store)
    const stored = loaded instanceof Error ? undefined : loaded
    const restored = stored && restorePool(policy, backends, stored.state)
    balancer = new Balancer({ ...options, policy, backends }, restored)
    balancer.keeper = store.fleet
      ? new FleetKeeper(balancer, store, policy, complete, loaded)
      : new LocalKeeper(balancer, store, policy, stored)
    // The first save shows whether a store of its own can be written.
    await balancer.keeper.start()
    if (store.fleet) {
      balancer.parts.fleet = new FleetPool(balancer.parts, store.fleet)
      // Requests that come from now on find slots.
      await balancer.parts.fleet.slots.settled()
    }
    return balancer
  } catch (error) {
    balancer?.close()
    // The first error is the one that is thrown, so an error of closing is ignored.
    await store.close?.().catch(() => {})
    const { message, cause } = error as Error
    if (error instanceof StateNotSavedError)
      throw new StoreError(store.name, 'written', (cause as Error).message)
    throw new StoreError(store.name, 'used', message)
  }
}

/** Reads a store. One that other gateways share may be away: then the error is returned, and the pool begins without it. */
async function loadAtStart(store: BackendStore): Promise<Loaded | Error | undefined> {
  try {
    return readStored(await store.load())
  } catch (error) {
    if (store.fleet && store.isAway) return error as Error
    throw error
  }
}

/**
 * Checks the options like a pool without a store would, without making such a pool. Returns the configured policy and
 * backends.
 */
function configurationOf(options: BalancerOptions): {
  policy: PolicyName
  backends: ConfiguredBackend[]
  complete: CompleteOptions
} {
  const complete = withDefaults(options)
  const { policy, backends, ...rest } = complete
  if (!isPolicyName(policy)) throw new UnknownPolicyError(policy, policyNames)
  const observerGuard = new ObserverGuard(rest.onObserverError)
  const trial = new Registry({ ...rest, memory: new LocalMemory(), observerGuard })
  trial.sync('config', backends.map(toRecord))
  return {
    policy,
    complete,
    backends: trial.entriesOf('config').map(({ state, addedAt, ...configured }) => configured),
  }
}
