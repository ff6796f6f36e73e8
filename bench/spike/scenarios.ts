import type { Failing, RigBackend } from '../rig/backend.js'

/** Something that happens to the backends. */
export interface Event {
  /** Milliseconds from the start of the measured time. */
  at: number
  label: string
  act(backends: RigBackend[]): void
}

export interface Scenario {
  name: string
  /** What happens, for a reader of the report. */
  title: string
  method: 'GET' | 'POST'
  /** Workers of each backend. */
  workers: number[]
  /** The last backend is not there at first, and joins after this many milliseconds. */
  joins?(duration: number): number
  events(duration: number): Event[]
}

/** Requests a second, on average. */
export const RATE = 200
/** Milliseconds of work on a request, on average, where a backend is well. */
export const WORK = 20
/** Requests that may wait at a backend for a worker. */
export const QUEUE = 44
/** Milliseconds after which a client gives up. */
export const CLIENT_TIMEOUT = 3000

const PAUSE = 600
/** Milliseconds from one pause to the next. */
const PAUSE_EVERY = 1000
/** A cold backend is so many times slower at first, and warm after so many requests. */
const COLD = { factor: 20, requests: 100 }
const SLOWNESS = 20
const EVEN = [4, 4, 4]

const last = (backends: RigBackend[]) => backends.at(-1) as RigBackend

/** The middle half: what begins in it, and how it is taken back. */
function middle(
  duration: number,
  label: string,
  begin: (backend: RigBackend) => void,
  end: (backend: RigBackend) => void,
): Event[] {
  return [
    { at: duration / 4, label, act: (backends) => begin(last(backends)) },
    { at: (3 * duration) / 4, label: 'well again', act: (backends) => end(last(backends)) },
  ]
}

function failing(name: string, method: 'GET' | 'POST', how: Failing): Scenario {
  const does = how === 'reset' ? 'resets connections' : `answers ${how}`
  return {
    name,
    title: `one of three ${does} at once in the middle half, while its health path looks well; ${method}`,
    method,
    workers: EVEN,
    events: (duration) =>
      middle(
        duration,
        does,
        (backend) => {
          backend.failing = how
        },
        (backend) => {
          backend.failing = undefined
        },
      ),
  }
}

/** The kinds of trouble that are played. */
export const scenarios: Scenario[] = [
  {
    name: 'slow-down',
    title: `one of three is ${SLOWNESS} times slower in the middle half`,
    method: 'GET',
    workers: EVEN,
    events: (duration) =>
      middle(
        duration,
        `${SLOWNESS} times slower`,
        (backend) => {
          backend.slowness = SLOWNESS
        },
        (backend) => {
          backend.slowness = 1
        },
      ),
  },
  failing('errors', 'GET', 500),
  failing('errors-post', 'POST', 503),
  failing('resets', 'GET', 'reset'),
  failing('resets-post', 'POST', 'reset'),
  {
    name: 'crash',
    title: 'one of three crashes at a quarter of the time, its connections reset, and is back at half of it',
    method: 'GET',
    workers: EVEN,
    events: (duration) => [
      { at: duration / 4, label: 'crashes', act: (backends) => last(backends).crash() },
      { at: duration / 2, label: 'is back', act: (backends) => void last(backends).listen() },
    ],
  },
  {
    name: 'uneven',
    title: 'three backends with 1, 2 and 4 workers, which nobody is told',
    method: 'GET',
    workers: [1, 2, 4],
    events: () => [],
  },
  {
    name: 'pauses',
    title: `one after the other stands still for ${PAUSE} ms, one every ${PAUSE_EVERY} ms`,
    method: 'GET',
    workers: EVEN,
    events(duration) {
      const events: Event[] = []
      for (let i = 0; (i + 1) * PAUSE_EVERY <= duration; i++) {
        const at = i * PAUSE_EVERY
        const one = (backends: RigBackend[]) => backends[i % backends.length] as RigBackend
        events.push({ at, label: 'stands still', act: (backends) => one(backends).pause() })
        events.push({ at: at + PAUSE, label: 'goes on', act: (backends) => one(backends).resume() })
      }
      return events
    },
  },
  {
    name: 'cold',
    title: `a third backend joins at a quarter of the time, ${COLD.factor} times slower at first, warm after ${COLD.requests} requests`,
    method: 'GET',
    workers: EVEN,
    joins: (duration) => duration / 4,
    events: (duration) => [
      {
        at: duration / 4,
        label: 'joins',
        act(backends) {
          last(backends).chill(COLD.factor, COLD.requests)
          void last(backends).listen()
        },
      },
    ],
  },
]
