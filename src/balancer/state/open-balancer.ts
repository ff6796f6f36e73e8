import { Registry } from '../backends/registry.js'
import { Balancer } from '../balancer.js'
import { StateNotSavedError, StoreError, UnknownPolicyError } from '../errors.js'
import { ObserverGuard } from '../observer-guard.js'
import { type BalancerOptions, withDefaults } from '../options.js'
import { isPolicyName, policyNames } from '../selection/policies/index.js'
import { StateKeeper } from './keeper.js'
import { type Configuration, mergeState } from './merge.js'
import { configuredBackend, readState } from './schema.js'
import type { BackendStore } from './store.js'

/**
 * A pool that begins as `store` remembers it, and whose changes are stored from then on: see `balancer.keeper`, which is
 * to be closed before the pool. Where the options say of a backend (told by URL) or of the policy something else than
 * they said when the state was stored, the options count; otherwise what was stored counts.
 * @throws {StoreError} where the store cannot be read or written, and what {@link Balancer} throws
 */
export async function openBalancer(options: BalancerOptions, store: BackendStore): Promise<Balancer> {
  const configuration = configurationOf(options)
  let balancer: Balancer | undefined
  try {
    const stored = await store.load()
    const merged = mergeState(configuration, stored === undefined ? undefined : readState(stored))
    balancer = new Balancer({ ...options, ...merged })
    balancer.keeper = new StateKeeper(balancer, store, configuration)
    // Whether it can be written is known from here on.
    await balancer.keeper.start()
    return balancer
  } catch (error) {
    balancer?.close()
    // What went wrong first is what is told.
    await store.close?.().catch(() => {})
    const { message, cause } = error as Error
    if (error instanceof StateNotSavedError)
      throw new StoreError(store.name, 'written', (cause as Error).message)
    throw new StoreError(store.name, 'used', message)
  }
}

/** Refuses what a pool without a store would, at the cost of no such pool. */
function configurationOf(options: BalancerOptions): Configuration {
  const { policy, backends, ...rest } = withDefaults(options)
  if (!isPolicyName(policy)) throw new UnknownPolicyError(policy, policyNames)
  const specs = backends.map((one) => (typeof one === 'string' ? { url: one } : one))
  const trial = new Registry({ ...rest, observerGuard: new ObserverGuard(rest.onObserverError) })
  trial.batch(() => {
    for (const spec of specs) trial.add(spec)
  })
  return { policy, backends: specs.map(configuredBackend) }
}
