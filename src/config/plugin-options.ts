import type { Registry } from 'prom-client'
import { type BackendSpec, backendFields } from '../balancer/backends/spec.js'
import type { BackendStore } from '../balancer/state/store.js'
import { passedOn } from '../proxy/http/methods.js'
import { lenient, nearest } from '../text/nearest.js'
import {
  check,
  checkHealthInitial,
  checkTimes,
  type PoolSettings,
  poolSettingNames,
  SettingError,
  settings,
} from './settings.js'

type OptionalSettings = {
  [N in keyof Omit<PoolSettings, 'backends'>]?: PoolSettings[N] | undefined
}

/** A registry of prom-client's, as far as it is used. */
export type MetricsRegistry = Pick<Registry, 'registerMetric' | 'getSingleMetric'>

/** Options of the plugin. Each setting is optional and has the default of its environment variable. */
export interface LeastwiseOptions extends OptionalSettings {
  /** Tells pools of one app apart: `app.balancers.get(name)`. `default` by default. */
  name?: string | undefined
  /** Path under which requests are proxied, and which is taken off. Everything by default. */
  prefix?: string
  /** Put in the place of the prefix. Nothing by default. */
  rewritePrefix?: string | undefined
  /**
   * Whether the prefix is put back into Location, Content-Location, Refresh and the Path of cookies. It is by default;
   * the name is that of @fastify/http-proxy.
   */
  internalRewriteLocationHeader?: boolean | undefined
  /** URLs, or whole descriptions. */
  backends?: readonly (string | BackendSpec)[] | undefined
  /** Methods that are proxied. All that Node knows by default, but for CONNECT and TRACE. */
  methods?: readonly string[] | undefined
  /** Constraints of the proxied routes, as Fastify has them for any route: `host`, `version`, and the app's own. */
  constraints?: Readonly<Record<string, unknown>> | undefined
  /** Who answers errors on proxied routes: `own`, as everywhere in leastwise, or `app`, the app's error handler. */
  errors?: ErrorsBy | undefined
  /**
   * Paths whose upgrades other listeners of the server answer, as socket.io's `/socket.io`. Where a pool takes
   * everything and this is left out, the others are asked first.
   */
  foreignUpgrades?: readonly string[] | undefined
  /** The admin API as routes of this app; there is none by default. */
  admin?:
    | {
        /** `/admin` by default. */
        prefix?: string | undefined
        /** Bearer token. Required: the app's port is open to whoever reaches it. */
        token: string | undefined
      }
    | undefined
  /** Whether each proxied request is logged in one line, besides what the app logs itself. */
  accessLog?: boolean | undefined
  /** A registry of prom-client's that the pool's metrics are put into, besides those of its own admin API. */
  metrics?: MetricsRegistry | undefined
  /** Where registered backends and the policy are kept across restarts, as `stateFile(path)`; nowhere by default. */
  store?: BackendStore | undefined
}

/** Who answers errors on proxied routes. */
export type ErrorsBy = 'own' | 'app'

export interface ParsedOptions {
  name: string
  prefix: string
  rewritePrefix: string
  methods: readonly string[] | undefined
  constraints: Readonly<Record<string, unknown>>
  errors: ErrorsBy
  foreignUpgrades: readonly string[] | undefined
  internalRewriteLocationHeader: boolean
  admin: { prefix: string; token: string } | undefined
  accessLog: boolean
  metrics: MetricsRegistry | undefined
  store: BackendStore | undefined
  settings: PoolSettings
}

const ownOptions = [
  'name',
  'prefix',
  'rewritePrefix',
  'methods',
  'constraints',
  'errors',
  'foreignUpgrades',
  'internalRewriteLocationHeader',
  'admin',
  'accessLog',
  'metrics',
  'store',
]

/** @throws {SettingError} for the first option that is unknown or not acceptable */
export function parseOptions(given: LeastwiseOptions): ParsedOptions {
  refuseUnknown(given, [...ownOptions, ...poolSettingNames])
  if (given.admin) refuseUnknown(given.admin, ['prefix', 'token'], 'admin.')
  checkBackends(given.backends ?? [])
  const values = poolSettingNames.map((name) => {
    const value = given[name as keyof LeastwiseOptions]
    if (value === undefined) return [name, settings[name].default]
    return [name, check(name, value, optionLabel(name))]
  })
  const parsed = Object.fromEntries(values) as PoolSettings
  checkTimes(parsed, optionLabel)
  checkHealthInitial(parsed, optionLabel)
  return {
    name: string('name', given.name ?? 'default', /./, 'a name'),
    prefix: path('prefix', given.prefix ?? ''),
    rewritePrefix: path('rewritePrefix', given.rewritePrefix ?? ''),
    methods: methods(given.methods),
    constraints: constraints(given.constraints ?? {}),
    errors: errorsBy(given.errors ?? 'own'),
    foreignUpgrades: paths('foreignUpgrades', given.foreignUpgrades),
    internalRewriteLocationHeader: boolean(
      'internalRewriteLocationHeader',
      given.internalRewriteLocationHeader ?? true,
    ),
    admin: given.admin && {
      prefix: path('admin.prefix', given.admin.prefix ?? '/admin'),
      token: token(given.admin.token),
    },
    accessLog: boolean('accessLog', given.accessLog ?? false),
    metrics: registry(given.metrics),
    store: store(given.store),
    settings: parsed,
  }
}

/** How an option is called in a message. */
export function optionLabel(option: string): string {
  return `leastwise: option "${option}"`
}

function refuseUnknown(given: object, known: readonly string[], path = ''): void {
  for (const option of Object.keys(given)) {
    if (known.includes(option)) continue
    if (path === '' && Object.hasOwn(settings, option)) {
      throw new SettingError(
        optionLabel(option),
        'is not known: the stand-alone gateway alone has that setting',
      )
    }
    const meant = nearest(option, known, lenient)
    const advice = meant === undefined ? '' : `: "${path}${meant}" was probably meant`
    throw new SettingError(optionLabel(path + option), `is not known${advice}`)
  }
}

/** Whether they are of the right kind; what is in them the registry judges. */
function checkBackends(given: unknown): void {
  const fields = backendFields.map((name) => (name === 'url' ? name : `${name}?`)).join(', ')
  const accepts = `it takes a list of URLs and of { ${fields} }`
  if (!Array.isArray(given)) {
    throw new SettingError(optionLabel('backends'), `does not accept ${JSON.stringify(given)}: ${accepts}`)
  }
  for (const [i, backend] of given.entries()) {
    if (typeof backend === 'string') continue
    if (backend === null || typeof backend !== 'object') {
      throw new SettingError(
        optionLabel(`backends[${i}]`),
        `does not accept ${JSON.stringify(backend)}: ${accepts}`,
      )
    }
    refuseUnknown(backend, backendFields, `backends[${i}].`)
  }
}

function methods(given: unknown): string[] | undefined {
  if (given === undefined) return undefined
  const accepts = 'it takes a list of methods, as ["GET", "POST"], without CONNECT and TRACE'
  if (!Array.isArray(given) || given.length === 0) {
    throw new SettingError(optionLabel('methods'), `does not accept ${JSON.stringify(given)}: ${accepts}`)
  }
  const known = given.map((method, i) => {
    const name = String(method).toUpperCase()
    if (typeof method === 'string' && passedOn.includes(name)) return name
    throw new SettingError(
      optionLabel(`methods[${i}]`),
      `does not accept ${JSON.stringify(method)}: ${accepts}`,
    )
  })
  return [...new Set(known)]
}

/** Of the right kind; whether the app knows them, Fastify says. */
function constraints(given: unknown): Record<string, unknown> {
  const plain = typeof given === 'object' && given !== null && !Array.isArray(given)
  if (!plain) {
    throw new SettingError(
      optionLabel('constraints'),
      `does not accept ${JSON.stringify(given)}: it takes an object, as { host: "shop.example" }`,
    )
  }
  for (const [name, value] of Object.entries(given)) {
    const right =
      name === 'host'
        ? typeof value === 'string' || value instanceof RegExp
        : name === 'version'
          ? typeof value === 'string'
          : value !== undefined
    if (right) continue
    const accepts = name === 'host' ? 'a string or a regular expression' : 'a string'
    throw new SettingError(
      optionLabel(`constraints.${name}`),
      `does not accept ${JSON.stringify(value)}: it takes ${accepts}`,
    )
  }
  return { ...given }
}

function paths(option: string, given: unknown): string[] | undefined {
  if (given === undefined) return undefined
  if (!Array.isArray(given)) {
    throw new SettingError(
      optionLabel(option),
      `does not accept ${JSON.stringify(given)}: it takes a list of paths, as ["/socket.io"]`,
    )
  }
  return given.map((one, i) => path(`${option}[${i}]`, one))
}

function errorsBy(given: unknown): ErrorsBy {
  if (given === 'own' || given === 'app') return given
  throw new SettingError(
    optionLabel('errors'),
    `does not accept ${JSON.stringify(given)}: it takes "own" or "app"`,
  )
}

function token(given: unknown): string {
  if (given === undefined || given === '') {
    throw new SettingError(optionLabel('admin.token'), 'is required: the admin API has no other lock')
  }
  return check('adminToken', given, optionLabel('admin.token'))
}

/** Any copy of the library will do. */
function registry(given: unknown): MetricsRegistry | undefined {
  if (given === undefined) return undefined
  const { registerMetric, getSingleMetric } = (given ?? {}) as Partial<MetricsRegistry>
  if (typeof registerMetric === 'function' && typeof getSingleMetric === 'function') {
    return given as MetricsRegistry
  }
  throw new SettingError(optionLabel('metrics'), "takes a registry of prom-client's")
}

function store(given: unknown): BackendStore | undefined {
  if (given === undefined) return undefined
  const { name, load, save } = (given ?? {}) as Partial<BackendStore>
  const fits = typeof name === 'string' && typeof load === 'function' && typeof save === 'function'
  if (fits) return given as BackendStore
  throw new SettingError(
    optionLabel('store'),
    'does not accept that: it takes { name, load(), save(state), close?() }',
  )
}

/** A path that can be put before another; what it ends with need not be a slash, and is not. */
function path(option: string, given: unknown): string {
  return string(option, given, /^$|^\//, 'a path that starts with /').replace(/\/+$/, '')
}

function boolean(option: string, given: unknown): boolean {
  if (typeof given === 'boolean') return given
  throw new SettingError(
    optionLabel(option),
    `does not accept ${JSON.stringify(given)}: it takes true or false`,
  )
}

function string(option: string, given: unknown, pattern: RegExp, accepts: string): string {
  if (typeof given === 'string' && pattern.test(given)) return given
  throw new SettingError(optionLabel(option), `does not accept ${JSON.stringify(given)}: it takes ${accepts}`)
}
