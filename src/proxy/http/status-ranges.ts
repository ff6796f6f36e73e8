/** Returns true if a status belongs to a set of statuses. */
export type Statuses = (statusCode: number) => boolean

/**
 * Parses a list of statuses and ranges like `200-299,401`; an empty text is the empty list.
 * @throws {Error} if the text is something else, or if a status is not between 200 and 599
 */
export function statusesOf(text: string): Statuses {
  if (text === '') return () => false
  const ranges = text.split(',').map((part) => {
    const [, from, to = from] = /^([2-5]\d\d)(?:-([2-5]\d\d))?$/.exec(part.trim()) ?? []
    if (from === undefined || Number(to) < Number(from)) throw new Error(`"${part}" is no status`)
    return [Number(from), Number(to)] as const
  })
  const isIn = new Uint8Array(600)
  for (const [from, to] of ranges) isIn.fill(1, from, to + 1)
  return (statusCode) => isIn[statusCode] === 1
}
