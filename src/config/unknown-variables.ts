import { lenient, nearest, strict } from '../text/nearest.js'
import { SERVICE_ADDRESS } from './kubernetes.js'
import { settingNames, variable } from './settings.js'

/** A variable whose name is not that of a setting. */
export interface UnknownVariable {
  name: string
  place: '.env' | 'the environment'
  /** Name of the variable that was probably meant; undefined if no setting has a similar name. */
  meant: string | undefined
}

type Variables = Record<string, string | undefined>

const variables = settingNames.map(variable)
const known: ReadonlySet<string> = new Set(variables)

/** Variables in `.env` that are valid although `serve` does not read them, because other commands do. */
const ofOtherCommands: ReadonlySet<string> = new Set(['LEASTWISE_URL'])

/** Variables that are common in environments, although they have almost the name of a setting. */
const ofOtherPrograms: ReadonlySet<string> = new Set(['GATEWAY', 'WORKER'])

/**
 * Finds variables that are not settings. In `.env` it finds all of them. In the environment, which has many variables
 * of other programs, it finds only variables whose name is almost that of a setting.
 */
export function unknownVariables(file: Variables, env: Variables): UnknownVariable[] {
  const found: UnknownVariable[] = []
  for (const name of Object.keys(file)) {
    if (known.has(name) || ofOtherCommands.has(name)) continue
    found.push({ name, place: '.env', meant: meantBy(name, lenient) })
  }
  for (const [name, value = ''] of Object.entries(env)) {
    if (known.has(name) || ofOtherPrograms.has(name) || value === '') continue
    if (name.startsWith('npm_') || SERVICE_ADDRESS.test(value)) continue
    const meant = meantBy(name, strict)
    // If the setting itself is set as well, a variable with a similar name probably belongs to another program.
    if (meant === undefined || env[meant] || file[meant]) continue
    found.push({ name, place: 'the environment', meant })
  }
  return found
}

/**
 * Returns the setting that a name probably means: one with a similar spelling, or with the same words in another order.
 */
function meantBy(name: string, maxTypos: (length: number) => number): string | undefined {
  const own = name.replace(/^LEASTWISE_/i, '')
  const words = sortedWords(own)
  const found =
    nearest(own, variables, maxTypos) ?? variables.find((variable) => sortedWords(variable) === words)
  // A name that adds words to the name of a setting, such as DB_PORT, probably belongs to another program.
  return found !== undefined && isPartOf(found, own) ? undefined : found
}

/** True if a name consists of the name of a setting and additional words. */
function isPartOf(variable: string, name: string): boolean {
  const upper = name.toUpperCase()
  return upper.endsWith(`_${variable}`) || upper.startsWith(`${variable}_`)
}

/** Returns the words of a name in alphabetical order, so that PORT_ADMIN and ADMIN_PORT become equal. */
function sortedWords(name: string): string {
  return name.toUpperCase().split(/[_-]/).sort().join()
}

/** Returns a message of one line about a variable. The message leaves out the value, which may be a secret. */
export function warningOf({ name, place, meant }: UnknownVariable): string {
  const meaning = meant === undefined ? 'it is ignored' : `${meant} was probably meant`
  return `${name} in ${place} is no setting: ${meaning}`
}

/**
 * Returns one message for each variable that is almost a setting, and one message for all others together, because a
 * `.env` file may also have variables of other programs.
 */
export function warningsOf(unknown: readonly UnknownVariable[]): string[] {
  const lines = unknown.filter(({ meant }) => meant !== undefined).map(warningOf)
  const others = unknown.filter(({ meant }) => meant === undefined).map(({ name }) => name)
  if (others.length > 0) lines.push(`in .env these are no settings, and are ignored: ${others.join(', ')}`)
  return lines
}
