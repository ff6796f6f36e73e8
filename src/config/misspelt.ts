import { lenient, nearest, strict } from '../text/nearest.js'
import { settingNames, variable } from './settings.js'

/** A variable that is no setting, where one was probably meant. */
export interface Misspelt {
  name: string
  place: '.env' | 'the environment'
  /** Undefined where nothing is near. */
  meant: string | undefined
}

type Variables = Record<string, string | undefined>

const variables = settingNames.map(variable)
const known: ReadonlySet<string> = new Set(variables)

/** What the command reads of a `.env` besides the settings. */
const alsoInFile: ReadonlySet<string> = new Set(['LEASTWISE_URL'])

/** What Kubernetes says of a Service, whatever the name of that is. */
const ofService = /^(tcp|udp|sctp):\/\//

/** Every name in `.env` that is no setting, and those of the environment that are almost one. */
export function misspelt(file: Variables, env: Variables): Misspelt[] {
  const found: Misspelt[] = []
  for (const name of Object.keys(file)) {
    if (known.has(name) || alsoInFile.has(name)) continue
    found.push({ name, place: '.env', meant: meantBy(name, lenient) })
  }
  for (const [name, value = ''] of Object.entries(env)) {
    if (known.has(name) || value === '' || name.startsWith('npm_') || ofService.test(value)) continue
    const meant = meantBy(name, strict)
    // Where the right one is set as well this one is for something else.
    if (meant === undefined || env[meant] || file[meant]) continue
    found.push({ name, place: 'the environment', meant })
  }
  return found
}

function meantBy(name: string, most: (length: number) => number): string | undefined {
  const own = name.replace(/^LEASTWISE_/i, '')
  const words = inOrder(own)
  const found = nearest(own, variables, most) ?? variables.find((variable) => inOrder(variable) === words)
  // DB_PORT is the port of something else.
  return found !== undefined && isPartOf(found, own) ? undefined : found
}

/** Whether a name consists of a variable and more words. */
function isPartOf(variable: string, name: string): boolean {
  const upper = name.toUpperCase()
  return upper.endsWith(`_${variable}`) || upper.startsWith(`${variable}_`)
}

/** The words of a name in alphabetical order: PORT_ADMIN has those of ADMIN_PORT. */
function inOrder(name: string): string {
  return name.toUpperCase().split(/[_-]/).sort().join()
}

/** One line for people. Of a value it says nothing: that may be a secret. */
export function complaint({ name, place, meant }: Misspelt): string {
  const meaning = meant === undefined ? 'it is ignored' : `${meant} was probably meant`
  return `${name} in ${place} is no setting: ${meaning}`
}

/** All that is to be said, a line each; names that are like no setting are one line, as a `.env` may be others', too. */
export function complaints(slips: readonly Misspelt[]): string[] {
  const near = slips.filter(({ meant }) => meant !== undefined)
  const unknown = slips.filter(({ meant }) => meant === undefined).map(({ name }) => name)
  const lines = near.map(complaint)
  if (unknown.length > 0) lines.push(`in .env these are no settings, and are ignored: ${unknown.join(', ')}`)
  return lines
}
