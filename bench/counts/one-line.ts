/**
 * How long requests would take with one line before all backends: the first of it goes to the fastest backend with
 * room, or to whichever has room first. Equal backends cannot do better in the mean, as none is idle while one waits.
 * All times in milliseconds.
 * @param due when each request comes, in this order
 * @param works what there is to do for each, on a backend of the usual speed
 * @param slowness of each backend, how many times longer than usual it takes
 * @param atOnce requests that a backend works on at a time
 * @returns from the time that each is due to its answer
 */
export function oneLine(
  due: Float64Array,
  works: Float64Array,
  slowness: readonly number[],
  atOnce: number,
): Float64Array {
  const slots = slowness
    .flatMap((times) => Array.from({ length: atOnce }, () => ({ times, freeAt: 0 })))
    .sort((a, b) => a.times - b.times)
  return due.map((at, i) => {
    const free = slots.find(({ freeAt }) => freeAt <= at)
    const slot = free ?? slots.reduce((first, one) => (one.freeAt < first.freeAt ? one : first))
    slot.freeAt = Math.max(at, slot.freeAt) + (works[i] as number) * slot.times
    return slot.freeAt - at
  })
}
