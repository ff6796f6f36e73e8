// Over 200 lines: the whole life of a worker, from its start to the next one's.
import { setImmediate } from 'node:timers/promises'
import { MessageChannel, Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import type { PoolWorker } from '../../balancer/threads/pool-worker.js'
import type { PoolWorkers } from '../../balancer/threads/pool-workers.js'
import { systemClock } from '../../balancer/time/clock.js'
import type { Settings } from '../../config/settings.js'
import { Channel } from '../../threads/channel.js'
import { AnswerError } from '../../threads/errors.js'
import { ListenError } from '../listeners.js'
import type { WorkerLogs } from '../logging/worker-logs.js'
import type { ToControl, ToWorker, WorkerStart } from './protocol.js'
import { RestartDelays } from './restart-delays.js'

/** Time that a worker gets to start and to listen. */
const START_TIMEOUT_MS = 30_000
/** Time beyond the limit of a shutdown after which a worker that has not answered is ended. */
const FINISH_GRACE_MS = 1000

const FILE = new URL('./worker.js', import.meta.url)

/** A worker could not start. The message is one line. */
export class WorkerStartError extends Error {}

/** A worker thread of the gateway. */
interface Running {
  readonly thread: Worker
  readonly channel: Channel<ToControl, ToWorker>
  readonly member: PoolWorker
  /** Rejects once the thread has ended. */
  readonly ended: Promise<never>
}

/** The worker threads of the gateway: they listen on the traffic port, and are started again when one ends. */
export class TrafficWorkers {
  readonly #settings: Settings
  readonly #logger: Logger
  readonly #logs: WorkerLogs
  readonly #pool: PoolWorkers
  readonly #running = new Set<Running>()
  readonly #delays: Pick<RestartDelays, 'next'>
  readonly #file: URL
  /** The traffic port, once the first worker listens on it. */
  #port: number
  /** True once all workers have listened: from then on, one that ends is started again. */
  #isOpen = false
  #isClosing = false

  /**
   * @param delays says how long to wait before a worker is started again
   * @param file what a worker runs
   */
  constructor(
    settings: Settings,
    logger: Logger,
    logs: WorkerLogs,
    pool: PoolWorkers,
    delays: Pick<RestartDelays, 'next'> = new RestartDelays(systemClock),
    file = FILE,
  ) {
    this.#delays = delays
    this.#file = file
    this.#settings = settings
    this.#logger = logger
    this.#logs = logs
    this.#pool = pool
    this.#port = settings.port
    pool.on('silent', (member) => this.#replace(member))
  }

  /** The traffic port. */
  get port(): number {
    return this.#port
  }

  /**
   * Starts all workers. The first one opens the port, which may be any free one, and the others share it.
   * @throws {ListenError | WorkerStartError}
   */
  async start(): Promise<void> {
    const workers = Array.from({ length: this.#pool.limit }, () => this.#begin())
    try {
      await Promise.race([this.#open(workers), ...workers.map(({ worker }) => worker.ended)])
    } catch (error) {
      throw error instanceof ListenError
        ? error
        : new WorkerStartError(`a worker thread could not start: ${messageOf(error)}`)
    }
    this.#isOpen = true
  }

  async #open(workers: { worker: Running; ready: Promise<void> }[]): Promise<void> {
    await Promise.all(workers.map(({ ready }) => ready))
    for (const { worker } of workers) await this.#listen(worker)
  }

  /**
   * Ends all workers: they accept no new connections, and their requests in flight finish.
   * @param timeout milliseconds after which the remaining requests are cut
   * @returns how many were cut
   */
  async finish(timeout: number): Promise<number> {
    this.#isClosing = true
    const options = { timeout: timeout + FINISH_GRACE_MS }
    const cuts = await Promise.all(
      Array.from(this.#running, async ({ thread, channel, member }) => {
        const cut = await channel
          .ask('finish', timeout, options)
          .catch(() => member.cut + this.#pool.inFlightOf(member))
        await thread.terminate()
        return cut
      }),
    )
    return cuts.reduce((sum, cut) => sum + cut, 0)
  }

  /** Starts a worker. It does not listen yet. `ready` rejects if it ends before it is ready, or takes too long. */
  #begin(): { worker: Running; ready: Promise<void> } {
    const member = this.#pool.connect()
    const log = this.#logs.connect()
    const { port1, port2 } = new MessageChannel()
    const workerData: WorkerStart = {
      worker: member.number,
      settings: this.#settings,
      pool: member.handle,
      log: log.handle,
      port: port2,
    }
    const thread = new Worker(this.#file, { workerData, transferList: [...member.transferList, port2] })
    log.follow(thread)
    const { promise: isReady, resolve } = deferred()
    const channel = new Channel<ToControl, ToWorker>(
      port1,
      { ready: resolve },
      {
        onError: (err) => this.#logger.error({ err, worker: member.number }, 'a message of a worker failed'),
        after: systemClock.after,
      },
    )
    let failure: unknown
    thread.on('error', (error) => {
      failure = error
    })
    const ended = new Promise<never>((_, reject) => {
      thread.on('exit', (code) => {
        const err = failure ?? new Error(`the thread ended with exit code ${code}`)
        reject(err)
        this.#ended(worker, err)
      })
    })
    ended.catch(() => {})
    const worker = { thread, channel, member, ended }
    this.#running.add(worker)
    return { worker, ready: inTime(Promise.race([isReady, ended])) }
  }

  /** @throws {ListenError} */
  async #listen(worker: Running): Promise<void> {
    const { channel, ended, member } = worker
    // That the worker takes part is told on a port of its own, and may come after what it told on this one.
    while (!member.takesPart && this.#running.has(worker)) await setImmediate()
    // The worker has to know of every change that was answered already.
    await Promise.race([this.#pool.settled(), ended])
    try {
      // The port closes before the thread has told what it ended with.
      const asked = channel.ask('listen', this.#port, { timeout: START_TIMEOUT_MS })
      this.#port = await Promise.race([
        asked.catch((error) => (channel.closed ? ended : Promise.reject(error))),
        ended,
      ])
    } catch (error) {
      throw error instanceof AnswerError ? new ListenError(error.message) : error
    }
  }

  /** Ends a worker whose event loop does not turn. */
  #replace(member: PoolWorker): void {
    const worker = [...this.#running].find((one) => one.member === member)
    this.#logger.error(
      { event: 'worker silent', worker: member.number },
      'a worker did not answer, and is ended',
    )
    worker?.thread.terminate()
  }

  /** Notes that a worker has ended, and starts another one in its place. */
  #ended(worker: Running, err: unknown): void {
    this.#running.delete(worker)
    worker.member.close(messageOf(err))
    worker.channel.close()
    if (this.#isClosing || !this.#isOpen) return
    const { number, cut } = worker.member
    const restartIn = this.#delays.next(number)
    this.#logger.error(
      { event: 'worker ended', worker: number, cut, restartIn, err },
      'a worker ended: its requests were cut, and another one starts',
    )
    systemClock.after(restartIn, () => this.#restart())
  }

  async #restart(): Promise<void> {
    if (this.#isClosing) return
    const { worker, ready } = this.#begin()
    try {
      await ready
      if (this.#isClosing) return
      await this.#listen(worker)
      this.#logger.info({ event: 'worker started', worker: worker.member.number }, 'a worker started')
    } catch (err) {
      if (this.#isClosing || !this.#running.has(worker)) return
      this.#logger.error({ err, worker: worker.member.number }, 'a worker could not start, and is ended')
      // Its end starts another one.
      worker.thread.terminate()
    }
  }
}

/** Rejects after {@link START_TIMEOUT_MS}. */
async function inTime(start: Promise<void>): Promise<void> {
  let cancel = () => {}
  const tooLong = new Promise<never>((_, reject) => {
    cancel = systemClock.after(START_TIMEOUT_MS, () =>
      reject(new Error(`it took longer than ${START_TIMEOUT_MS} ms`)),
    )
  })
  await Promise.race([start, tooLong]).finally(cancel)
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
