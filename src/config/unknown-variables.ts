import { lenient, nearest, strict } from '../text/nearest.js'
import { SERVICE_ADDRESS } from './kubernetes.js'
import { settingNames, variable } from './settings.js'

/** A variable that is not a setting. */
export interface UnknownVariable {
  name: string
  place: '.env' | 'the environment'
  /** The setting that was probably meant; undefined where no setting has a similar name. */
  meant: string | undefined
}

type Variables = Record<string, string | undefined>

const variables = settingNames.map(variable)
const known: ReadonlySet<string> = new Set(variables)

/** Variables of `.env` that only commands other than `serve` read. */
const ofOtherCommands: ReadonlySet<string> = new Set(['LEASTWISE_URL'])

/**
 * Finds the variables of `.env` that are not settings. The environment has many variables of other programs, so among
 * these it finds only names that are almost the name of a setting.
 */
export function unknownVariables(file: Variables, env: Variables): UnknownVariable[] {
  const found: UnknownVariable[] = []
  for (const name of Object.keys(file)) {
    if (known.has(name) || ofOtherCommands.has(name)) continue
    found.push({ name, place: '.env', meant: meantBy(name, lenient) })
  }
  for (const [name, value = ''] of Object.entries(env)) {
    if (known.has(name) || value === '' || name.startsWith('npm_') || SERVICE_ADDRESS.test(value)) continue
    const meant = meantBy(name, strict)
    // Where the setting itself is also set, this variable probably belongs to another program.
    if (meant === undefined || env[meant] || file[meant]) continue
    found.push({ name, place: 'the environment', meant })
  }
  return found
}

/** The setting that a name probably means: one with a similar spelling, or with the same words in another order. */
function meantBy(name: string, maxTypos: (length: number) => number): string | undefined {
  const own = name.replace(/^LEASTWISE_/i, '')
  const words = sortedWords(own)
  const found =
    nearest(own, variables, maxTypos) ?? variables.find((variable) => sortedWords(variable) === words)
  // A name such as DB_PORT, which adds words to a setting's name, is probably a variable of another program.
  return found !== undefined && isPartOf(found, own) ? undefined : found
}

/** Whether a name consists of a setting's name and more words. */
function isPartOf(variable: string, name: string): boolean {
  const upper = name.toUpperCase()
  return upper.endsWith(`_${variable}`) || upper.startsWith(`${variable}_`)
}

/** The words of a name in alphabetical order, so that PORT_ADMIN and ADMIN_PORT are alike. */
function sortedWords(name: string): string {
  return name.toUpperCase().split(/[_-]/).sort().join()
}

/** A message of one line about a variable. It leaves out the value, which may be a secret. */
export function warningOf({ name, place, meant }: UnknownVariable): string {
  const meaning = meant === undefined ? 'it is ignored' : `${meant} was probably meant`
  return `${name} in ${place} is no setting: ${meaning}`
}

/**
 * A line for each variable that is almost a setting, and one line for all others, because a `.env` may have variables
 * of other programs, too.
 */
export function warningsOf(unknown: readonly UnknownVariable[]): string[] {
  const lines = unknown.filter(({ meant }) => meant !== undefined).map(warningOf)
  const others = unknown.filter(({ meant }) => meant === undefined).map(({ name }) => name)
  if (others.length > 0) lines.push(`in .env these are no settings, and are ignored: ${others.join(', ')}`)
  return lines
}
