// Over 200 lines: what every option of a pool changes, side by side.
import type { Backend } from './backends/backend.js'
import type { Registry } from './backends/registry.js'
import type { ChangingRegistryOptions } from './backends/registry-options.js'
import { checkMaxConnections } from './backends/validation.js'
import type { ChangingOptions } from './changing-options.js'
import { UnknownPolicyError } from './errors.js'
import type { LoadElsewhere } from './fleet/load-elsewhere.js'
import type { FailurePenalty } from './health/failure-penalty.js'
import type { EjectionOptions, PassiveHealth } from './health/passive-health.js'
import type { SlowStart } from './health/slow-start.js'
import type { WaitQueue } from './leases/wait-queue.js'
import { type BalancerOptions, type CompleteOptions, toRecord, withDefaults } from './options.js'
import { type Budget, hedgeAllowance, retryAllowance } from './resilience/budget.js'
import type { HedgeAfter, Hedging } from './resilience/hedging.js'
import { isPolicyName, type PolicyName, policyNames } from './selection/policies/index.js'
import type { Selection } from './selection/selection.js'
import type { PoolWorkers } from './threads/pool-workers.js'
import type { Clock } from './time/clock.js'

/** The options of a pool that can change while it is in use. */
export interface ConfigurableOptions extends ChangingOptions, Pick<BalancerOptions, 'backends' | 'policy'> {}

/** What another configuration has changed. */
export interface ConfigurationChange {
  /** The names of the options that changed, besides `backends`. */
  options: (keyof ChangingOptions | 'policy')[]
  /** Ids of the backends that the configuration added, described anew, or dropped; the last ones drain first. */
  added: string[]
  updated: string[]
  removed: string[]
}

/** The parts of a pool that take other options. */
export interface ConfiguredParts {
  readonly clock: Clock
  readonly registry: Registry
  readonly retryBudget: Budget
  readonly hedging: Hedging
  readonly slowStart: SlowStart
  readonly penalty: FailurePenalty
  readonly ejection: PassiveHealth
  readonly selection: Selection
  readonly loadElsewhere: LoadElsewhere
  readonly queue: WaitQueue
  readonly workers: PoolWorkers | undefined
  /** Defined in a worker, which follows the control plane. */
  readonly member: object | undefined
  usePolicy(name: string): void
}

const changingOptions = [
  'maxConnections',
  'queueLimit',
  'queueTimeout',
  'slowStart',
  'tunnelWeight',
  'ejectConsecutive',
  'ejectBase',
  'ejectMax',
  'ejectMaxPercent',
  'failureDecay',
  'panic',
  'panicThreshold',
  'healthInitial',
  'drainTimeout',
  'affinity',
  'affinityOverload',
  'affinityDrain',
  'fleetCounts',
  'retryBudget',
  'hedge',
  'hedgeBudget',
] as const satisfies readonly (keyof ChangingOptions)[]

/** Changes the options of a pool that is in use. Every part keeps its state: only what it does from now on changes. */
export class PoolConfiguration {
  readonly #parts: ConfiguredParts
  #options: CompleteOptions
  /** The options that have changed since the pool was made, with their present values. */
  changedSoFar: ChangingOptions = {}

  constructor(parts: ConfiguredParts, options: CompleteOptions) {
    this.#parts = parts
    this.#options = options
  }

  /** Milliseconds that requests in flight may take when their backend is drained. */
  get drainTimeout(): number {
    return this.#options.drainTimeout
  }

  /** The policy of the configuration. Another one may be in force, if somebody has set it. */
  get policy(): PolicyName {
    return this.#options.policy as PolicyName
  }

  /**
   * Takes the options of another configuration, with the same result as a restart: what others changed stays, as far as
   * the configuration says the same of it as before.
   * @param given options that are left out stay as they are, and those that cannot change are ignored
   * @throws {InvalidOptionError | UnknownPolicyError | InvalidBackendError | BackendExistsError} and changes nothing
   */
  change(given: ConfigurableOptions): ConfigurationChange {
    const { registry, workers } = this.#parts
    const before = this.#options
    const { now, plan, commit } = this.#prepare(given)
    const changed = changingOptions.filter((name) => now[name] !== before[name])
    this.#options = now
    registry.batch(() => {
      if (changed.length > 0) {
        const options: ChangingOptions = Object.fromEntries(changed.map((name) => [name, now[name]]))
        this.changedSoFar = { ...this.changedSoFar, ...options }
        workers?.tell({ kind: 'options', options })
        this.#apply()
      }
      commit()
    })
    if (now.policy !== before.policy) this.#parts.usePolicy(now.policy)
    const stays = new Set(plan.added.map(({ url }) => url))
    return {
      options: [...changed, ...(now.policy === before.policy ? [] : (['policy'] as const))],
      added: plan.added.map(({ id }) => id),
      updated: plan.followed.flatMap(({ backend, fields }) => (fields ? backend.id : [])),
      removed: [...plan.dropped, ...plan.replaced].filter(({ url }) => !stays.has(url)).map(({ id }) => id),
    }
  }

  /** Throws what {@link change} would throw, and changes nothing. */
  check(given: ConfigurableOptions): void {
    this.#prepare(given).giveUp()
  }

  #prepare(given: ConfigurableOptions) {
    const { registry } = this.#parts
    const names = ['policy', ...changingOptions] as const
    const wanted = names.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]]))
    const now = withDefaults({ ...this.#options, ...Object.fromEntries(wanted) })
    if (!isPolicyName(now.policy)) throw new UnknownPolicyError(now.policy, policyNames)
    checkMaxConnections(now.maxConnections)
    const backends = given.backends?.map(toRecord) ?? registry.entriesOf('config')
    return { now, ...registry.prepareSync('config', backends, undefined, registryOptionsOf(now)) }
  }

  /** Takes over, in a worker, what the control plane has changed. */
  follow(changed: ChangingOptions): void {
    this.#options = withDefaults({ ...this.#options, ...changed })
    this.#apply()
  }

  #apply(): void {
    const { clock, registry, retryBudget, hedging, slowStart, penalty, ejection, selection, queue, member } =
      this.#parts
    const options = this.#options
    const backends: readonly Backend[] = registry.list()
    retryBudget.configure(retryAllowance(options.retryBudget))
    hedging.configure(hedgeOf(options), hedgeAllowance(options.hedgeBudget))
    slowStart.configure(options.slowStart)
    penalty.configure(options.failureDecay, member ? [] : backends, clock.now())
    ejection.configure(ejectionOf(options))
    queue.configure({ limit: options.queueLimit, timeout: options.queueTimeout })
    selection.useAffinity(affinityOf(options))
    this.#parts.loadElsewhere.use(options.fleetCounts)
    for (const backend of backends) {
      backend.counter.weighTunnels(options.tunnelWeight)
      selection.changed(backend)
    }
    // This ends with a look at all backends and at the queue, by which everything else comes into force.
    registry.configure(registryOptionsOf(options))
  }
}

export function affinityOf({
  affinity,
  affinityOverload,
}: CompleteOptions): { overload: number } | undefined {
  return affinity === 'off' ? undefined : { overload: affinityOverload }
}

export function ejectionOf(options: CompleteOptions): EjectionOptions {
  return {
    consecutive: options.ejectConsecutive,
    base: options.ejectBase,
    max: options.ejectMax,
    maxPercent: options.ejectMaxPercent,
  }
}

export function hedgeOf({ hedge, hedgeBudget }: CompleteOptions): HedgeAfter {
  return hedgeBudget === 0 ? 'off' : hedge
}

export function registryOptionsOf(options: CompleteOptions): ChangingRegistryOptions {
  const { panic, panicThreshold, maxConnections, healthInitial, tunnelWeight, drainTimeout } = options
  const keepsKeysOnDrain = options.affinity !== 'off' && options.affinityDrain === 'keep'
  return {
    panic,
    panicThreshold,
    maxConnections,
    healthInitial,
    tunnelWeight,
    drainTimeout,
    keepsKeysOnDrain,
  }
}
