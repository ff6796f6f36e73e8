import { backendFields } from '../balancer/backends/spec.js'
import type { BackendStore } from '../balancer/state/store.js'
import { passedOn } from '../proxy/http/methods.js'
import { optionLabel, refuseOption, refuseUnknown } from './option-error.js'
import type { ErrorsBy, MetricsRegistry } from './plugin-options.js'
import { SettingError } from './setting-error.js'
import { check } from './settings.js'

/** Checks that backends are URLs or descriptions. The registry checks their content. @throws {SettingError} */
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

/** Reads a list of methods: converts them to capitals and removes duplicates. @throws {SettingError} */
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
 * Reads Fastify constraints.
 * @param isKnown whether the app has a constraint of this name besides Fastify's own
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

/** @throws {SettingError} */
export function readPaths(option: string, given: unknown): string[] | undefined {
  if (given === undefined) return undefined
  if (!Array.isArray(given)) {
    throw refuseOption(option, given, 'it takes a list of paths, as ["/socket.io"]')
  }
  return given.map((one, i) => readPath(`${option}[${i}]`, one))
}

/** Reads a path that another path can follow, so it does not end with a slash. @throws {SettingError} */
export function readPath(option: string, given: unknown): string {
  return readString(option, given, /^$|^\//, 'a path that starts with /').replace(/\/+$/, '')
}

/** @throws {SettingError} */
export function readErrorsBy(given: unknown): ErrorsBy {
  if (given === 'own' || given === 'app') return given
  throw refuseOption('errors', given, 'it takes "own" or "app"')
}

/** @throws {SettingError} */
export function readToken(given: unknown): string {
  if (given === undefined || given === '') {
    throw new SettingError(optionLabel('admin.token'), 'is required: the admin API has no other lock')
  }
  return check('adminToken', given, optionLabel('admin.token'))
}

/** Reads a registry, which may come from any copy of prom-client. @throws {SettingError} */
export function readMetricsRegistry(given: unknown): MetricsRegistry | undefined {
  if (given === undefined) return undefined
  const { registerMetric, getSingleMetric } = (given ?? {}) as Partial<MetricsRegistry>
  if (typeof registerMetric === 'function' && typeof getSingleMetric === 'function') {
    return given as MetricsRegistry
  }
  throw new SettingError(optionLabel('metrics'), "takes a registry of prom-client's")
}

/** @throws {SettingError} */
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

/** @throws {SettingError} */
export function readBoolean(option: string, given: unknown): boolean {
  if (typeof given === 'boolean') return given
  throw refuseOption(option, given, 'it takes true or false')
}

/** @throws {SettingError} */
export function readString(option: string, given: unknown, pattern: RegExp, accepts: string): string {
  if (typeof given === 'string' && pattern.test(given)) return given
  throw refuseOption(option, given, `it takes ${accepts}`)
}
