import type { Backend } from '../backends/backend.js'
import { Registry } from '../backends/registry.js'
import { isSame } from '../backends/sources.js'
import type { BackendRecord, ConfiguredBackend } from '../backends/spec.js'
import { UnknownPolicyError } from '../errors.js'
import { LocalMemory } from '../memory.js'
import type { ObserverGuard } from '../observer-guard.js'
import type { CompleteOptions } from '../options.js'
import { registryOptionsOf } from '../pool-configuration.js'
import { isPolicyName, type PolicyName, policyNames } from '../selection/policies/index.js'
import type { ChangeablePool } from './change.js'
import { restorePool } from './merge.js'
import type { PoolContent } from './pool-content.js'
import { backendStateOf } from './state-of.js'
import { type PoolState, STATE_VERSION } from './store.js'

/** What the configuration says of a pool, as it is stored with its state. */
export interface StoredConfiguration {
  policy: PolicyName
  backends: readonly ConfiguredBackend[]
}

/** Returns the configuration in a stored state. */
export function configurationIn({ policy, backends, removed }: PoolState): StoredConfiguration {
  return {
    policy: policy.configured,
    backends: [...backends.flatMap(({ configured }) => configured ?? []), ...removed],
  }
}

/** Returns the state of a pool, as it is to be stored. */
export function storedState(
  { policy, backends }: PoolContent,
  { policy: configured, backends: described }: StoredConfiguration,
): PoolState {
  const left = new Map(described.map((backend) => [backend.url, backend]))
  const complete = backends.map(({ configured: _before, asked: _asked, ...backend }) => {
    const own = left.get(backend.url)
    left.delete(backend.url)
    return { ...backend, ...(own && { configured: own }) }
  })
  return {
    version: STATE_VERSION,
    policy: { name: policy as PolicyName, configured },
    backends: complete,
    removed: [...left.values()],
  }
}

/** Returns true if two configurations say the same of the backends and the policy. */
export function isSameConfiguration(one: StoredConfiguration, other: StoredConfiguration): boolean {
  if (one.policy !== other.policy || one.backends.length !== other.backends.length) return false
  const known = new Map(one.backends.map((backend) => [backend.url, backend]))
  return other.backends.every((backend) => {
    const same = known.get(backend.url)
    return same !== undefined && isSame(same, backend)
  })
}

/** A pool without requests, in which a change is tried before it comes into force. Files of backends are not looked at. */
export class TrialPool implements ChangeablePool {
  readonly registry: Registry
  #policy: PolicyName

  constructor(
    options: CompleteOptions,
    observerGuard: ObserverGuard,
    { policy, backends }: { policy: string; backends: readonly BackendRecord[] },
  ) {
    this.registry = new Registry({
      ...options,
      ...registryOptionsOf(options),
      keepsKeysOnDrain: false,
      memory: new LocalMemory(),
      verifyTls: () => {},
      observerGuard,
    })
    this.registry.batch(() => this.registry.sync('store', backends))
    this.#policy = policy as PolicyName
  }

  get policy(): string {
    return this.#policy
  }

  /** @throws {UnknownPolicyError} */
  set policy(wanted: string) {
    if (!isPolicyName(wanted)) throw new UnknownPolicyError(wanted, policyNames)
    this.#policy = wanted
  }

  /** Adds a backend of the pool in use that is removed once it has no request in flight. */
  addLeaving(backend: Backend): void {
    const { id, counter } = this.registry.add(backendStateOf(backend))
    counter.claim(Number.POSITIVE_INFINITY, undefined)
    this.registry.remove(id)
  }

  /** Takes the stored state of a pool and its configuration, as a start does. @throws {InvalidStateError} */
  static restored(
    options: CompleteOptions,
    observerGuard: ObserverGuard,
    { policy, backends }: StoredConfiguration,
    stored: PoolState,
  ): TrialPool {
    const restored = restorePool(policy, backends, stored)
    const trial = new TrialPool(options, observerGuard, {
      policy: restored.policy,
      backends: restored.backends,
    })
    trial.registry.batch(() => trial.registry.sync('config', backends, restored.configuredBefore))
    return trial
  }

  /** Cancels all timers. */
  close(): void {
    this.registry.close()
  }
}
