/**
 * Largest number of characters of the part of an id that is made from an address; it leaves room for a number behind
 * it.
 */
const MAX_STEM_LENGTH = 56

/** Makes an id from the address of a backend, like `10.0.0.1-8080`, and appends a number where that id is taken. */
export function idFromOrigin(origin: URL, isTaken: (id: string) => boolean): string {
  const port = origin.port || (origin.protocol === 'https:' ? '443' : '80')
  const stem = `${origin.hostname}-${port}`
    .replace(/[^A-Za-z0-9.]+/g, '-')
    .replace(/^-/, '')
    .slice(0, MAX_STEM_LENGTH)
  let id = stem
  for (let n = 2; isTaken(id); n++) id = `${stem}-${n}`
  return id
}
