/**
 * The mean time in a queue of Poisson arrivals with exponential work, c workers and one line before them
 * (M/M/c), waiting and work together: what no balancer with a line before each backend can beat. After
 * A. K. Erlang, https://en.wikipedia.org/wiki/M/M/c_queue.
 * @param utilisation from 0 to below 1
 * @param work mean work, in the unit of the result
 */
export function erlangMean(workers: number, utilisation: number, work: number): number {
  return work + (erlangC(workers, utilisation) * work) / (workers * (1 - utilisation))
}

/** The probability that a request has to wait. */
export function erlangC(workers: number, utilisation: number): number {
  // Erlang's B grows from one worker to the next without the large factorials.
  const load = workers * utilisation
  let blocked = 1
  for (let i = 1; i <= workers; i++) blocked = (load * blocked) / (i + load * blocked)
  return blocked / (1 - utilisation * (1 - blocked))
}

/** What so many percent of the requests do not exceed waiting, in the unit of `work`. */
export function erlangWait(workers: number, utilisation: number, work: number, percent: number): number {
  const longer = 1 - percent / 100
  const waits = erlangC(workers, utilisation)
  return waits <= longer ? 0 : (Math.log(waits / longer) * work) / (workers * (1 - utilisation))
}
