import { SettingError } from './setting-error.js'
import type { SettingName, Settings } from './settings.js'

/** Returns the name of a setting in the user's terms: an environment variable or an option. */
export type Label = (name: SettingName) => string

type Checked = Pick<
  Settings,
  'ejectBase' | 'ejectMax' | 'healthInitial' | 'healthPath' | 'upstreamCert' | 'upstreamKey'
>

/**
 * Checks that settings of a pool do not contradict each other, after each value was checked by itself.
 * @throws {SettingError}
 */
export function checkTogether(parsed: Checked, label: Label): void {
  const [first] = contradictions(parsed, label)
  if (first) throw first
}

/** The settings of a pool that contradict others, each with an error. */
export function contradictions(parsed: Checked, label: Label): SettingError[] {
  return [checkEjectionTimes, checkHealthInitial, checkUpstreamKey].flatMap(
    (check) => check(parsed, label) ?? [],
  )
}

/** Checks that a certificate comes with its key, and a key with its certificate. */
function checkUpstreamKey(
  { upstreamCert, upstreamKey }: Pick<Settings, 'upstreamCert' | 'upstreamKey'>,
  label: Label,
): SettingError | undefined {
  const refuse = (given: SettingName, path: string, missing: SettingName) =>
    new SettingError(
      label(given),
      `does not accept ${JSON.stringify(path)}: ${label(missing)} is empty, and a certificate comes with its private key`,
    )
  if (upstreamKey === '' && upstreamCert !== '') return refuse('upstreamCert', upstreamCert, 'upstreamKey')
  if (upstreamCert === '' && upstreamKey !== '') return refuse('upstreamKey', upstreamKey, 'upstreamCert')
  return undefined
}

/** Checks that the duration of a first ejection is not longer than that of the longest ejection. */
function checkEjectionTimes(
  { ejectBase, ejectMax }: Pick<Settings, 'ejectBase' | 'ejectMax'>,
  label: Label,
): SettingError | undefined {
  if (ejectMax >= ejectBase) return undefined
  const accepts = `it takes the first ejection's time, ${ejectBase}, or more`
  return new SettingError(label('ejectMax'), `does not accept ${ejectMax}: ${accepts}`)
}

/** Checks that health checks are on if new backends have to wait for their first health check. */
function checkHealthInitial(
  { healthInitial, healthPath }: Pick<Settings, 'healthInitial' | 'healthPath'>,
  label: Label,
): SettingError | undefined {
  if (healthInitial === 'usable' || healthPath !== '') return undefined
  return new SettingError(
    label('healthInitial'),
    `does not accept "${healthInitial}": ${label('healthPath')} is empty, and without checks no backend would ever be used`,
  )
}
