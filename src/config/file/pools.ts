import type { tlsFields } from '../../balancer/backends/backend-tls.js'
import type { BackendSpec } from '../../balancer/backends/spec.js'
import { firstRefused, missingScheme } from '../backend-list.js'
import { SettingError } from '../setting-error.js'
import type { PoolSettings } from '../settings.js'
import { checkTogether } from '../settings-together.js'
import type { PoolConfig } from './gateway-config.js'
import type { Mistakes, Path } from './mistakes.js'
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
  try {
    checkTogether(settings, (name) => name)
  } catch (error) {
    if (!(error instanceof SettingError)) throw error
    const isGiven = Object.hasOwn(given, error.setting)
    const said = error.message.slice(error.setting.length + 1)
    mistakes.add(isGiven ? [...path, error.setting] : path, isGiven ? said : error.message)
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
  const accepted = [...backends]
  for (;;) {
    const found = firstRefused(accepted)
    if (!found) return accepted
    const backend = accepted[found.index] as string | BackendSpec
    const place = [...path, places[found.index] as number]
    const url = typeof backend === 'string' ? backend : backend.url
    const isUrl = typeof backend === 'string' || found.field === undefined || found.field === 'url'
    const field = typeof backend === 'string' || found.field === undefined ? place : [...place, found.field]
    const value = isUrl ? url : (backend as unknown as Record<string, unknown>)[found.field as string]
    mistakes.refuse(field, value, (isUrl ? missingScheme(url) : undefined) ?? found.why)
    accepted.splice(found.index, 1)
    places.splice(found.index, 1)
  }
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
