import { Registry } from '../backends/registry.js'
import type { ConfiguredBackend } from '../backends/spec.js'
import { Balancer } from '../balancer.js'
import { StateNotSavedError, StoreError, UnknownPolicyError } from '../errors.js'
import { FleetPool } from '../fleet/fleet-pool.js'
import { LocalMemory } from '../memory.js'
import { ObserverGuard } from '../observer-guard.js'
import { type BalancerOptions, toRecord, withDefaults } from '../options.js'
import { isPolicyName, type PolicyName, policyNames } from '../selection/policies/index.js'
import { StateKeeper } from './keeper.js'
import { restorePool } from './merge.js'
import { readStored } from './schema.js'
import type { BackendStore } from './store.js'

/**
 * Opens a pool that begins with the state in `store`, and stores its changes from then on by `balancer.keeper`, which
 * must be closed before the pool. Where the options for a backend (identified by URL) or for the policy differ from
 * those when the state was stored, the options count; otherwise the stored state counts.
 * @throws {StoreError} where the store cannot be read or written, and the errors that {@link Balancer} throws
 */
export async function openBalancer(options: BalancerOptions, store: BackendStore): Promise<Balancer> {
  const { policy, backends } = configurationOf(options)
  let balancer: Balancer | undefined
  try {
    const stored = readStored(await store.load())
    const restored = stored && restorePool(policy, backends, stored.state)
    balancer = new Balancer({ ...options, policy, backends }, restored)
    balancer.keeper = new StateKeeper(balancer, store, policy, stored)
    // The first save shows whether the store can be written.
    await balancer.keeper.start()
    if (store.fleet) balancer.parts.fleet = new FleetPool(balancer.parts, store.fleet)
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

/**
 * Checks the options like a pool without a store would, without making such a pool. Returns the configured policy and
 * backends.
 */
function configurationOf(options: BalancerOptions): { policy: PolicyName; backends: ConfiguredBackend[] } {
  const { policy, backends, ...rest } = withDefaults(options)
  if (!isPolicyName(policy)) throw new UnknownPolicyError(policy, policyNames)
  const observerGuard = new ObserverGuard(rest.onObserverError)
  const trial = new Registry({ ...rest, memory: new LocalMemory(), observerGuard })
  trial.sync('config', backends.map(toRecord))
  return {
    policy,
    backends: trial.entriesOf('config').map(({ state, addedAt, ...configured }) => configured),
  }
}
