import type { Backend } from '../../backends/backend.js'

/** Writes a number of requests, and how many of them stand for requests of other gateways, where any do. */
export function loadNote(requests: number, { countedElsewhere }: Backend): string {
  if (countedElsewhere === 0) return `${requests}`
  return `${inWords(requests)} (${inWords(countedElsewhere)} of them for other gateways)`
}

/** Returns the requests of other gateways that count, as a part of a score; an empty object where none do. */
export function elsewherePart({ countedElsewhere }: Backend): Record<string, number> {
  return countedElsewhere === 0 ? {} : { elsewhere: countedElsewhere }
}

function inWords(requests: number): string {
  return String(Math.round(requests * 100) / 100)
}
