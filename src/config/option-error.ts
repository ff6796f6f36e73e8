import { lenient, nearest } from '../text/nearest.js'
import { SettingError } from './setting-error.js'
import { settings } from './settings.js'

/** Returns the name of an option as error messages show it. */
export function optionLabel(option: string): string {
  return `leastwise: option "${option}"`
}

/** Makes the error for a value that an option does not accept. */
export function refuseOption(option: string, value: unknown, why: string): SettingError {
  return new SettingError(optionLabel(option), `does not accept ${JSON.stringify(value)}: ${why}`)
}

/**
 * Throws if an object has an option that is not known.
 * @param path the path to the object with the options, with a dot at its end; empty for the plugin's own options
 * @throws {SettingError} for the first unknown option
 */
export function refuseUnknown(given: object, known: readonly string[], path = ''): void {
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
