import { SettingError } from './setting-error.js'
import type { SettingName, Settings } from './settings.js'

/** Returns the name of a setting in the user's terms: an environment variable or an option. */
export type Label = (name: SettingName) => string

/**
 * Checks that settings of a pool do not contradict each other, although each value is acceptable by itself.
 * @throws {SettingError}
 */
export function checkTogether(
  parsed: Pick<Settings, 'ejectBase' | 'ejectMax' | 'healthInitial' | 'healthPath'>,
  label: Label,
): void {
  checkEjectionTimes(parsed, label)
  checkHealthInitial(parsed, label)
}

/** Checks that the first ejection is not longer than the longest one. */
function checkEjectionTimes(
  { ejectBase, ejectMax }: Pick<Settings, 'ejectBase' | 'ejectMax'>,
  label: Label,
): void {
  if (ejectMax >= ejectBase) return
  const accepts = `it takes the first ejection's time, ${ejectBase}, or more`
  throw new SettingError(label('ejectMax'), `does not accept ${ejectMax}: ${accepts}`)
}

/** Checks that backends do not have to wait for a first health check where there are no health checks. */
function checkHealthInitial(
  { healthInitial, healthPath }: Pick<Settings, 'healthInitial' | 'healthPath'>,
  label: Label,
): void {
  if (healthInitial === 'usable' || healthPath !== '') return
  throw new SettingError(
    label('healthInitial'),
    `does not accept "${healthInitial}": ${label('healthPath')} is empty, and without checks no backend would ever be used`,
  )
}
