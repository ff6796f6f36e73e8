import type { RowData } from './backend-row.js'
import { backendStatusOf } from './backend-status.js'

/** Whether a row has all of these words. */
export function matches({ backend, now }: RowData, words: string[]): boolean {
  const text =
    `${backend.id} ${backend.url} ${backendStatusOf(backend, now).word} ${backend.health}`.toLowerCase()
  return words.every((word) => text.includes(word))
}

/** Orders two values of a column. */
export function compare(a: number | string, b: number | string): number {
  if (typeof a === 'string') return a.localeCompare(String(b), 'en', { numeric: true })
  return a === b ? 0 : a < (b as number) ? -1 : 1
}
