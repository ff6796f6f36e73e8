import type { Backend } from '../../backends/backend.js'

/** Says how much of a backend's load stands for requests of other gateways; an empty string where none does. */
export function elsewhereNote({ countedElsewhere }: Backend): string {
  return countedElsewhere === 0 ? '' : ` (${countedElsewhere} of them for other gateways)`
}

/** Returns the same as a part of a score; an empty object where none of the load stands for other gateways. */
export function elsewherePart({ countedElsewhere }: Backend): Record<string, number> {
  return countedElsewhere === 0 ? {} : { elsewhere: countedElsewhere }
}
