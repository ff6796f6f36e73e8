import type { Happening, Timeline } from './timeline.js'

/** One request's stay on one server. */
export abstract class Job implements Happening {
  /** Of a queue's next; the server's business. */
  next: Job | undefined
  /** The server's pauses before it, in milliseconds. */
  pausedBefore = 0
  state: 'waiting' | 'running' | 'withdrawn' | 'done' = 'waiting'
  readonly server: Server
  /** How much there is to do, in milliseconds of a server that is as fast as it should be. */
  readonly work: number

  constructor(server: Server, work: number) {
    this.server = server
    this.work = work
  }

  /** The server is done with it. */
  abstract done(): void

  happen(): void {
    this.server.finish(this)
  }
}

/** A backend: so many workers, and before them a queue that is served in order of arrival. */
export class Server {
  /** Milliseconds that a worker takes for so much work. */
  timeFor = (work: number): number => work
  /** Jobs given to it so far. */
  arrived = 0
  /** Most that it ever had at once, waiting or worked on. */
  mostInFlight = 0
  /** Most that ever waited for a worker. */
  longestQueue = 0
  readonly #timeline: Timeline
  readonly #workers: number
  #busy = 0
  #waiting = 0
  #first: Job | undefined
  #last: Job | undefined
  /** Sum of all pauses so far, and when the latest ends. */
  #paused = 0
  #pausedUntil = 0

  constructor(timeline: Timeline, workers: number) {
    this.#timeline = timeline
    this.#workers = workers
  }

  /** Jobs that it has, waiting or worked on. */
  get inFlight(): number {
    return this.#busy + this.#waiting
  }

  /** True if a job that comes now would have to wait for a worker. */
  get isFull(): boolean {
    return this.#busy >= this.#workers
  }

  take(job: Job): void {
    this.arrived++
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight + 1)
    if (this.#busy < this.#workers) {
      this.#start(job)
      return
    }
    if (this.#last) this.#last.next = job
    else this.#first = job
    this.#last = job
    this.#waiting++
    if (this.#waiting > this.longestQueue) this.longestQueue = this.#waiting
  }

  /** Nobody waits for this job any more. It leaves the queue; a worker would not notice, and goes on. */
  withdraw(job: Job): void {
    if (job.state !== 'waiting') return
    job.state = 'withdrawn'
    this.#waiting--
  }

  /** Stops the world: no job goes on or begins for so many milliseconds. */
  pause(duration: number): void {
    const now = this.#timeline.now()
    this.#paused += duration - Math.max(0, this.#pausedUntil - now)
    this.#pausedUntil = now + duration
  }

  /** A job should be done now, but for pauses meanwhile. */
  finish(job: Job): void {
    if (this.#paused > job.pausedBefore) {
      const delay = this.#paused - job.pausedBefore
      job.pausedBefore = this.#paused
      this.#timeline.plan(this.#timeline.now() + delay, job)
      return
    }
    job.state = 'done'
    this.#busy--
    const next = this.#shift()
    if (next) this.#start(next)
    job.done()
  }

  #start(job: Job): void {
    this.#busy++
    job.state = 'running'
    job.pausedBefore = this.#paused
    const start = Math.max(this.#timeline.now(), this.#pausedUntil)
    this.#timeline.plan(start + this.timeFor(job.work), job)
  }

  #shift(): Job | undefined {
    while (this.#first) {
      const job = this.#first
      this.#first = job.next
      if (!this.#first) this.#last = undefined
      job.next = undefined
      if (job.state === 'withdrawn') continue
      this.#waiting--
      return job
    }
    return undefined
  }
}
