import type { RouteConfig, RouteMatch } from '../gateway-config.js'
import type { Mistakes, Path } from '../mistakes.js'

/** Gives each route a name that no other has. */
export function nameRoutes(routes: RouteConfig[], places: readonly number[], mistakes: Mistakes): void {
  const taken = new Map<string, number>()
  for (const [i, { name }] of routes.entries()) {
    if (name === '') continue
    const other = taken.get(name)
    if (other === undefined) taken.set(name, i)
    else {
      const line = mistakes.lineOf(['routes', places[other] as number])
      mistakes.refuse(
        ['routes', places[i] as number, 'name'],
        name,
        `the route in line ${line} has that name`,
      )
    }
  }
  const next = new Map<string, number>()
  for (const [i, route] of routes.entries()) {
    if (route.name !== '') continue
    const base = nameOf(route.match, ['routes', places[i] as number, 'match'], mistakes)
    let number = next.get(base) ?? 1
    const numbered = () => (number === 1 ? base : `${base}-${number}`)
    while (taken.has(numbered())) number++
    route.name = numbered()
    taken.set(route.name, i)
    next.set(base, number + 1)
  }
}

/** Longest part of a match that a name has, in characters. */
const MAX_NAME_LENGTH = 180

/** What comes from the environment is not in a name, which logs and metrics show, but as it is written. */
function nameOf({ methods, host = '', path }: RouteMatch, at: Path, mistakes: Mistakes): string {
  const written = (field: string, value: string) =>
    value !== '' && mistakes.isInserted([...at, field]) ? mistakes.writtenText([...at, field]) : value
  const where = `${written('host', host)}${written('path', path)}` || '/'
  return `${methods ? `${methods.join(',')} ` : ''}${where}`.slice(0, MAX_NAME_LENGTH)
}
