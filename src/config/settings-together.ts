import { SettingError } from './setting-error.js'
import type { SettingName, Settings } from './settings.js'

/** How the user calls a setting: as an environment variable or as an option. */
export type Label = (name: SettingName) => string

/**
 * Checks what settings of a pool say together, each of which is acceptable by itself.
 * @throws {SettingError}
 */
export function checkTogether(
  parsed: Pick<Settings, 'ejectBase' | 'ejectMax' | 'healthInitial' | 'healthPath'>,
  label: Label,
): void {
  checkEjectionTimes(parsed, label)
  checkHealthInitial(parsed, label)
}

/** No ejection may be longer than the longest. */
function checkEjectionTimes(
  { ejectBase, ejectMax }: Pick<Settings, 'ejectBase' | 'ejectMax'>,
  label: Label,
): void {
  if (ejectMax >= ejectBase) return
  const accepts = `it takes the first ejection's time, ${ejectBase}, or more`
  throw new SettingError(label('ejectMax'), `does not accept ${ejectMax}: ${accepts}`)
}

/** A backend can wait for its first check only where there are checks. */
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
