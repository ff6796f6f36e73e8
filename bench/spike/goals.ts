import type { Outcome } from './outcome.js'
import type { ScenarioResult } from './spike.js'

/** Something that leastwise should be able to do, and whether it did. */
export interface Goal {
  goal: string
  /** Undefined where nobody was there to be compared, or the scenario was disturbed. */
  holds: boolean | undefined
  /** The figures by which that was decided. */
  figures: string
}

/**
 * What may be chance between two p99: a fifth, and two milliseconds. With other arrivals the p99 of one and the
 * same policy comes out up to a tenth higher or lower.
 */
const CHANCE = { part: 1.2, milliseconds: 2 }
/** POSTs that may be lost to one backend before it is put aside. */
const LOST_POSTS = 10

/** All goals that the scenarios played have something to say of. */
export function goalsOf(results: readonly ScenarioResult[]): Goal[] {
  return results.flatMap((result) => {
    const goals = goalsOfOne(result)
    // What the machine did meanwhile is nobody's merit or fault.
    return result.disturbed ? goals.map((goal) => ({ ...goal, holds: undefined })) : goals
  })
}

function goalsOfOne(result: ScenarioResult): Goal[] {
  return [
    noWorse(result),
    ...(result.name === 'slow-down' ? [atMost(result, 'least-response-time', 1 / 3, 'a third')] : []),
    ...(result.name === 'pauses' ? hedged.map((contender) => atMost(result, contender, 0.35, '35 %')) : []),
    ...lossless(result),
  ]
}

const hedged = ['least-connections, hedged', 'least-response-time, hedged']

function noWorse(result: ScenarioResult): Goal {
  const goal = `${result.name}: p99 of least-connections no worse than the best peer's`
  return compare(
    result,
    'least-connections',
    goal,
    (own, best) => own <= best * CHANCE.part + CHANCE.milliseconds,
  )
}

function atMost(result: ScenarioResult, contender: string, part: number, words: string): Goal {
  const goal = `${result.name}: p99 of ${contender} at most ${words} of the best peer's`
  return compare(result, contender, goal, (own, best) => own <= best * part)
}

/** By the p99 with errors: who answers errors quickly is not better for it. */
function compare(
  { outcomes }: ScenarioResult,
  contender: string,
  goal: string,
  holds: (own: number, best: number) => boolean,
): Goal {
  const own = outcomes.find((outcome) => outcome.contender === contender)
  const best = outcomes
    .filter(({ kind }) => kind === 'peer')
    .reduce<Outcome | undefined>((a, b) => (a && a.p99WithErrors <= b.p99WithErrors ? a : b), undefined)
  if (!own || !best) return { goal, holds: undefined, figures: own ? 'no peer' : 'not played' }
  return {
    goal,
    holds: holds(own.p99WithErrors, best.p99WithErrors),
    figures: `${own.p99WithErrors.toFixed(0)} ms, ${best.contender} ${best.p99WithErrors.toFixed(0)} ms`,
  }
}

/** Round robin does not look at load, and so loses what a slow backend cannot do in time. */
function lossless({ name, method, outcomes }: ScenarioResult): Goal[] {
  const own = outcomes.filter(({ kind, contender }) => kind === 'leastwise' && contender !== 'round-robin')
  return own.map(({ contender, failed, timedOut, sent, failedByBackends }) => {
    const errors = failed + timedOut
    if (method === 'GET') {
      const goal = `${name}: no error with ${contender}`
      return { goal, holds: errors === 0, figures: `${errors} of ${sent}` }
    }
    return {
      goal: `${name}: no more errors with ${contender} than POSTs that reached the failing backend, at most ${LOST_POSTS}`,
      holds: errors <= failedByBackends && errors <= LOST_POSTS,
      figures: `${errors} errors, ${failedByBackends} reached it`,
    }
  })
}
