import { backendFields } from '../balancer/backends/spec.js'
import type { BackendStore } from '../balancer/state/store.js'
import { passedOn } from '../proxy/http/methods.js'
import { optionLabel, refuseOption, refuseUnknown } from './option-error.js'
import type { ErrorsBy, MetricsRegistry } from './plugin-options.js'
import { SettingError } from './setting-error.js'
import { check } from './settings.js'

/**
 * Checks that each backend is a URL or an object with known fields. The registry checks the values later.
 * @throws {SettingError}
 */
export function checkBackends(given: unknown): void {
  const fields = backendFields.map((name) => (name === 'url' ? name : `${name}?`)).join(', ')
  const accepts = `it takes a list of URLs and of { ${fields} }`
  if (!Array.isArray(given)) throw refuseOption('backends', given, accepts)
  for (const [i, backend] of given.entries()) {
    if (typeof backend === 'string') continue
    if (backend === null || typeof backend !== 'object')
      throw refuseOption(`backends[${i}]`, backend, accepts)
    refuseUnknown(backend, backendFields, `backends[${i}].`)
  }
}

/** Checks a list of HTTP methods, converts them to capitals, and removes duplicates. @throws {SettingError} */
export function readMethods(given: unknown): string[] | undefined {
  if (given === undefined) return undefined
  const accepts = 'it takes a list of methods, as ["GET", "POST"], without CONNECT and TRACE'
  if (!Array.isArray(given) || given.length === 0) throw refuseOption('methods', given, accepts)
  const known = given.map((method, i) => {
    const name = String(method).toUpperCase()
    if (typeof method === 'string' && passedOn.includes(name)) return name
    throw refuseOption(`methods[${i}]`, method, accepts)
  })
  return [...new Set(known)]
}

/**
 * Checks the option `constraints`, an object of route constraints as Fastify has them.
 * @param isKnown returns true if the app has a constraint of this name in addition to Fastify's own
 * @throws {SettingError}
 */
export function readConstraints(given: unknown, isKnown: (name: string) => boolean): Record<string, unknown> {
  const isPlain = typeof given === 'object' && given !== null && !Array.isArray(given)
  if (!isPlain) throw refuseOption('constraints', given, 'it takes an object, as { host: "shop.example" }')
  for (const [name, value] of Object.entries(given)) {
    const option = `constraints.${name}`
    if (name === 'host') {
      if (typeof value === 'string' || value instanceof RegExp) continue
      throw refuseOption(option, value, 'it takes a string or a regular expression')
    }
    if (name === 'version' ? typeof value !== 'string' : value === undefined) {
      throw refuseOption(option, value, 'it takes a string')
    }
    if (name !== 'version' && !isKnown(name)) {
      throw new SettingError(optionLabel(option), 'is not known: the app has no such constraint strategy')
    }
  }
  return { ...given }
}

/** Checks a list of paths. @throws {SettingError} */
export function readPaths(option: string, given: unknown): string[] | undefined {
  if (given === undefined) return undefined
  if (!Array.isArray(given)) {
    throw refuseOption(option, given, 'it takes a list of paths, as ["/socket.io"]')
  }
  return given.map((one, i) => readPath(`${option}[${i}]`, one))
}

/** Checks a path, and removes slashes at its end so that another path can be appended. @throws {SettingError} */
export function readPath(option: string, given: unknown): string {
  return readString(option, given, /^$|^\//, 'a path that starts with /').replace(/\/+$/, '')
}

/** Checks the option `errors`. @throws {SettingError} */
export function readErrorsBy(given: unknown): ErrorsBy {
  if (given === 'own' || given === 'app') return given
  throw refuseOption('errors', given, 'it takes "own" or "app"')
}

/** Checks the token of the admin API, which is required. @throws {SettingError} */
export function readToken(given: unknown): string {
  if (given === undefined || given === '') {
    throw new SettingError(optionLabel('admin.token'), 'is required: the admin API has no other lock')
  }
  return check('adminToken', given, optionLabel('admin.token'))
}

/** Checks a registry of metrics, which may come from any installed copy of prom-client. @throws {SettingError} */
export function readMetricsRegistry(given: unknown): MetricsRegistry | undefined {
  if (given === undefined) return undefined
  const { registerMetric, getSingleMetric } = (given ?? {}) as Partial<MetricsRegistry>
  if (typeof registerMetric === 'function' && typeof getSingleMetric === 'function') {
    return given as MetricsRegistry
  }
  throw new SettingError(optionLabel('metrics'), "takes a registry of prom-client's")
}

/** Checks that a store has a name and the functions `load` and `save`. @throws {SettingError} */
export function readStore(given: unknown): BackendStore | undefined {
  if (given === undefined) return undefined
  const { name, load, save } = (given ?? {}) as Partial<BackendStore>
  const fits = typeof name === 'string' && typeof load === 'function' && typeof save === 'function'
  if (fits) return given as BackendStore
  throw new SettingError(
    optionLabel('store'),
    'does not accept that: it takes { name, load(), save(state), close?() }',
  )
}

/** Checks an option that is true or false. @throws {SettingError} */
export function readBoolean(option: string, given: unknown): boolean {
  if (typeof given === 'boolean') return given
  throw refuseOption(option, given, 'it takes true or false')
}

/**
 * Checks a string option against a pattern. `accepts` describes the accepted values in the error message.
 * @throws {SettingError}
 */
export function readString(option: string, given: unknown, pattern: RegExp, accepts: string): string {
  if (typeof given === 'string' && pattern.test(given)) return given
  throw refuseOption(option, given, `it takes ${accepts}`)
}
