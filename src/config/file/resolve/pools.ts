import type { tlsFields } from '../../../balancer/backends/backend-tls.js'
import type { BackendSpec } from '../../../balancer/backends/spec.js'
import { missingScheme, refusedBackends } from '../../backend-list.js'
import type { PoolSettings } from '../../settings.js'
import { contradictions } from '../../settings-together.js'
import type { PoolConfig } from '../gateway-config.js'
import { MAX_MISTAKES, type Mistakes, type Path } from '../mistakes.js'
import type { NamedFiles } from './named-files.js'

/** Settings of a pool that are paths of PEM files. */
const pemSettings = ['upstreamCa', 'upstreamCert', 'upstreamKey'] as const
const pemFields = ['ca', 'cert', 'key'] as const satisfies (typeof tlsFields)[number][]

type Backends = (string | BackendSpec)[]

/** Makes the pools of a file. @param defaults the settings that a pool leaves out */
export function resolvePools(
  pools: Readonly<Record<string, Partial<PoolSettings>>>,
  defaults: PoolSettings,
  files: NamedFiles,
  mistakes: Mistakes,
): PoolConfig[] {
  return Object.entries(pools).map(([name, given]) => {
    const path = ['pools', name]
    const settings: PoolSettings = { ...defaults, backends: [], ...given }
    for (const setting of pemSettings) {
      const file = given[setting]
      if (file) settings[setting] = pemPath(file, [...path, setting], files, mistakes)
    }
    settings.backends = resolveBackends(
      (given.backends ?? []) as Backends,
      [...path, 'backends'],
      files,
      mistakes,
    )
    if (!mistakes.covers(path)) checkSettings(settings, given, path, mistakes)
    return { name, settings }
  })
}

function checkSettings(
  settings: PoolSettings,
  given: Partial<PoolSettings>,
  path: Path,
  mistakes: Mistakes,
): void {
  for (const error of contradictions(settings, (name) => name)) {
    const isGiven = Object.hasOwn(given, error.setting)
    const at = isGiven ? [...path, error.setting] : path
    const said = isGiven ? error.message.slice(error.setting.length + 1) : error.message
    // The messages repeat the values, which may be from the environment.
    mistakes.add(at, mistakes.isInserted(at) ? 'contradicts other settings of the pool' : said)
  }
}

function resolveBackends(given: Backends, path: Path, files: NamedFiles, mistakes: Mistakes): Backends {
  const backends: Backends = []
  const places: number[] = []
  for (const [i, backend] of given.entries()) {
    // A backend with a mistake is undefined.
    if (backend === undefined || mistakes.covers([...path, i])) continue
    backends.push(typeof backend === 'string' ? backend : withPaths(backend, [...path, i], files, mistakes))
    places.push(i)
  }
  const refused = backends.length === 0 ? [] : refusedBackends(backends, undefined, MAX_MISTAKES)
  for (const { index, field, why } of refused) {
    const backend = backends[index] as string | BackendSpec
    const place = [...path, places[index] as number]
    const isUrl = typeof backend === 'string' || field === undefined || field === 'url'
    const url = typeof backend === 'string' ? backend : backend.url
    const at = typeof backend === 'string' || field === undefined ? place : [...place, field]
    const value = isUrl ? url : (backend as unknown as Record<string, unknown>)[field]
    // The advice repeats the URL, which may be from the environment.
    const advice = isUrl && !mistakes.isInserted(at) ? missingScheme(url) : undefined
    mistakes.refuse(at, value, advice ?? why)
  }
  return backends
}

/** A backend with the absolute paths of its files. */
function withPaths(backend: BackendSpec, path: Path, files: NamedFiles, mistakes: Mistakes): BackendSpec {
  const copy: Record<string, unknown> = { ...backend }
  for (const field of pemFields) {
    const file = copy[field]
    if (typeof file === 'string' && file !== '')
      copy[field] = pemPath(file, [...path, field], files, mistakes)
  }
  return copy as unknown as BackendSpec
}

function pemPath(file: string, path: Path, files: NamedFiles, mistakes: Mistakes): string {
  const text = files.read(file, path)
  if (text !== undefined && !text.includes('-----BEGIN '))
    mistakes.refuse(path, file, 'the file has no PEM block, which begins with -----BEGIN')
  return files.resolve(file)
}
