import { lenient, nearest, strict } from '../text/nearest.js'
import { SERVICE_ADDRESS } from './kubernetes.js'
import { settingNames, variable } from './settings.js'

/** A variable that is no setting. */
export interface UnknownVariable {
  name: string
  place: '.env' | 'the environment'
  /** The setting that was probably meant; undefined where none has a name like it. */
  meant: string | undefined
}

type Variables = Record<string, string | undefined>

const variables = settingNames.map(variable)
const known: ReadonlySet<string> = new Set(variables)

/** Variables of `.env` that other commands than `serve` read. */
const ofOtherCommands: ReadonlySet<string> = new Set(['LEASTWISE_URL'])

/**
 * Finds the variables of `.env` that are no settings. The environment has many of other programs, so of that it finds only
 * those whose names are almost that of a setting.
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
    // Where the setting itself is set as well, this variable is probably for another program.
    if (meant === undefined || env[meant] || file[meant]) continue
    found.push({ name, place: 'the environment', meant })
  }
  return found
}

/** The setting that a name probably means, by its letters, or by its words in another order. */
function meantBy(name: string, maxTypos: (length: number) => number): string | undefined {
  const own = name.replace(/^LEASTWISE_/i, '')
  const words = sortedWords(own)
  const found =
    nearest(own, variables, maxTypos) ?? variables.find((variable) => sortedWords(variable) === words)
  // DB_PORT, say, is the port of another program.
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

/** One line for people about a variable. It leaves out the value, which may be a secret. */
export function warningOf({ name, place, meant }: UnknownVariable): string {
  const meaning = meant === undefined ? 'it is ignored' : `${meant} was probably meant`
  return `${name} in ${place} is no setting: ${meaning}`
}

/**
 * A line for each variable that is almost a setting, and one line for all others: a `.env` may have variables of other
 * programs, too.
 */
export function warningsOf(unknown: readonly UnknownVariable[]): string[] {
  const lines = unknown.filter(({ meant }) => meant !== undefined).map(warningOf)
  const others = unknown.filter(({ meant }) => meant === undefined).map(({ name }) => name)
  if (others.length > 0) lines.push(`in .env these are no settings, and are ignored: ${others.join(', ')}`)
  return lines
}
