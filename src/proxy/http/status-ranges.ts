/** A set of statuses. */
export type Statuses = (statusCode: number) => boolean

/** Reads `200-299,401`; nothing is no status. @throws {Error} where it is not that, or one is none from 200 to 599 */
export function statusesOf(text: string): Statuses {
  if (text === '') return () => false
  const ranges = text.split(',').map((part) => {
    const [, from, to = from] = /^([2-5]\d\d)(?:-([2-5]\d\d))?$/.exec(part.trim()) ?? []
    if (from === undefined || Number(to) < Number(from)) throw new Error(`"${part}" is no status`)
    return [Number(from), Number(to)] as const
  })
  const among = new Uint8Array(600)
  for (const [from, to] of ranges) among.fill(1, from, to + 1)
  return (statusCode) => among[statusCode] === 1
}
