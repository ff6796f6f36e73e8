import { Doorbells } from '../../balancer/threads/doorbell.js'
import { LogRing } from './log-ring.js'

/** Time that a line of a worker may wait for further lines. */
const COLLECT_INTERVAL_MS = 20
/** The word of the doorbell on which workers ring. */
export const LOG_BELL = 0

/** What a worker is given for its log, as `workerData` or in a message. */
export interface LogHandle {
  ring: SharedArrayBuffer
  bell: SharedArrayBuffer
}

/** Where the lines of workers are written. */
export interface LogSink {
  /** Number of bytes that may wait for the reader of the log, in addition to those that wait already. */
  room(): number
  add(lines: Buffer): void
  /** Writes what was added. */
  flush(): void
}

/** The part of a `Worker` of Node that is used here. */
interface EndingThread {
  once(event: 'exit', listener: () => void): unknown
}

/** The log of one worker, as the main thread sees it. */
export interface WorkerLog {
  readonly handle: LogHandle
  /** Lets the log of a worker go once its thread has ended and its lines are written. */
  follow(worker: EndingThread): void
}

interface Source {
  ring: LogRing
  hasEnded: boolean
}

/**
 * The log lines of workers, which the main thread writes: one writer never mixes parts of lines, needs no lock, and has
 * the lines of a worker also where that ends in the middle of its work. Lines come over shared memory; a worker wakes
 * this thread once for all lines of 20 ms.
 */
export class WorkerLogs {
  readonly #bell = Doorbells.allocate(1)
  #sources: Source[] = []
  #sink: LogSink | undefined
  #timer: NodeJS.Timeout | undefined
  /** Number of lines that workers which have ended had no room for. */
  #droppedByEnded = 0

  constructor() {
    new Doorbells(this.#bell).listen(LOG_BELL, () => {
      if (this.#sources.some(({ ring }) => ring.isUrgent)) this.#collect()
      else this.#collectLater()
    })
  }

  /** Makes place for the lines of a worker that is about to start. It must not be given to a second worker. */
  connect(): WorkerLog {
    const buffer = LogRing.allocate()
    const source: Source = { ring: new LogRing(buffer), hasEnded: false }
    this.#sources.push(source)
    return {
      handle: { ring: buffer, bell: this.#bell },
      follow: (worker) => {
        worker.once('exit', () => {
          source.hasEnded = true
          this.#collect()
        })
      },
    }
  }

  /** Number of lines that workers had no room for. */
  dropped(): number {
    return this.#sources.reduce((sum, { ring }) => sum + ring.dropped, this.#droppedByEnded)
  }

  /** @internal Says where the lines go. */
  writeTo(sink: LogSink): void {
    this.#sink = sink
  }

  /** @internal Adds all lines to the sink without looking whether it has room, and does not flush. */
  addAll(): void {
    for (const { ring } of this.#sources) {
      const lines = ring.take()
      if (lines) this.#sink?.add(lines)
    }
  }

  #collectLater(): void {
    this.#timer ??= setTimeout(() => this.#collect(), COLLECT_INTERVAL_MS)
  }

  #collect(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.gather()
    this.#sink?.flush()
  }

  /** @internal Adds the lines to the sink for which that has room, and does not flush. */
  gather(): void {
    const sink = this.#sink
    if (!sink) return
    this.#sources = this.#sources.filter(({ ring, hasEnded }) => {
      if (ring.unread > sink.room()) {
        ring.refuse()
        this.#collectLater()
        return true
      }
      const lines = ring.take()
      if (lines) sink.add(lines)
      if (hasEnded) this.#droppedByEnded += ring.dropped
      return !hasEnded
    })
  }
}
