import { Balancer } from '../balancer/balancer.js'
import { BackendExistsError, InvalidBackendError } from '../balancer/errors.js'
import type { BalancerOptions } from '../balancer/options.js'
import { openBalancer } from '../balancer/state/open-balancer.js'
import type { BackendStore } from '../balancer/state/store.js'
import { firstRefused, missingScheme } from './backend-list.js'
import { optionLabel } from './option-error.js'
import { presentable, SettingError } from './setting-error.js'
import type { PoolSettings } from './settings.js'

/**
 * Makes a pool with the given settings, and with the state that its store has kept.
 * @throws {SettingError} that names the backend which cannot be registered
 * @throws {StoreError} if the store cannot be read
 */
export async function openPool(
  settings: PoolSettings & Pick<BalancerOptions, 'onObserverError' | 'verifyTls' | 'workers' | 'shared'>,
  store: BackendStore | undefined,
): Promise<Balancer> {
  try {
    return store ? await openBalancer(settings, store) : new Balancer(settings)
  } catch (error) {
    if (!(error instanceof BackendExistsError || error instanceof InvalidBackendError)) throw error
    throw refusedBackend(settings.backends, settings.verifyTls) ?? error
  }
}

/** Returns the error that names the first backend which cannot be registered; undefined if all can be registered. */
function refusedBackend(
  backends: PoolSettings['backends'],
  verifyTls: BalancerOptions['verifyTls'],
): SettingError | undefined {
  const found = firstRefused(backends, verifyTls)
  if (!found) return undefined
  const { index, field, why } = found
  const backend = backends[index]
  const isText = typeof backend === 'string'
  // If a backend is only a URL, or conflicts with another backend, the message shows the whole entry and not one field.
  const value =
    isText || field === undefined ? backend : (backend as unknown as Record<string, unknown>)[field]
  const where = isText || field === undefined ? `backends[${index}]` : `backends[${index}].${field}`
  const advice = typeof value === 'string' && (isText || field === 'url') ? missingScheme(value) : undefined
  const shown = presentable(JSON.stringify(value) ?? String(value))
  return new SettingError(optionLabel(where), `does not accept ${shown}: ${advice ?? why}`)
}
