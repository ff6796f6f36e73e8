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

/** A worker thread of the gateway. */
interface Running {
  readonly thread: Worker
  readonly channel: Channel<ToControl, ToWorker>
  readonly member: PoolWorker
}

/** The worker threads of the gateway: they listen on the traffic port, and are started again when one ends. */
export class TrafficWorkers {
  readonly #settings: Settings
  readonly #logger: Logger
  readonly #logs: WorkerLogs
  readonly #pool: PoolWorkers
  readonly #running = new Set<Running>()
  readonly #delays: Pick<RestartDelays, 'next'>
  /** The traffic port, once the first worker listens on it. */
  #port: number
  #isClosing = false

  /** @param delays says how long to wait before a worker is started again */
  constructor(
    settings: Settings,
    logger: Logger,
    logs: WorkerLogs,
    pool: PoolWorkers,
    delays: Pick<RestartDelays, 'next'> = new RestartDelays(systemClock),
  ) {
    this.#delays = delays
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
   * @throws {ListenError}
   */
  async start(): Promise<void> {
    const workers = await Promise.all(Array.from({ length: this.#pool.limit }, () => this.#begin()))
    for (const worker of workers) await this.#listen(worker)
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
      Array.from(this.#running, async ({ channel, member }) =>
        channel.ask('finish', timeout, options).catch(() => this.#pool.inFlightOf(member)),
      ),
    )
    await Promise.all(Array.from(this.#running, ({ thread }) => thread.terminate()))
    return cuts.reduce((sum, cut) => sum + cut, 0)
  }

  /** Starts a worker. It does not listen yet. */
  async #begin(): Promise<Running> {
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
    const thread = new Worker(FILE, { workerData, transferList: [...member.transferList, port2] })
    member.follow(thread)
    log.follow(thread)
    let isReady = () => {}
    const ready = new Promise<void>((resolve) => {
      isReady = resolve
    })
    const channel = new Channel<ToControl, ToWorker>(
      port1,
      { ready: () => isReady() },
      {
        onError: (err) => this.#logger.error({ err, worker: member.number }, 'a message of a worker failed'),
      },
    )
    const worker = { thread, channel, member }
    this.#running.add(worker)
    let failure: unknown
    thread.on('error', (error) => {
      failure = error
    })
    const ended = new Promise<never>((_, reject) => {
      thread.on('exit', () => {
        this.#ended(worker, failure)
        reject(failure ?? new Error('the thread ended'))
      })
    })
    ended.catch(() => {})
    await Promise.race([ready, ended])
    return worker
  }

  /** @throws {ListenError} */
  async #listen({ channel }: Running): Promise<void> {
    // The worker has to know of every change that was answered already.
    await this.#pool.settled()
    try {
      this.#port = await channel.ask('listen', this.#port, { timeout: START_TIMEOUT_MS })
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
    worker.channel.close()
    if (this.#isClosing) return
    const delay = this.#delays.next()
    this.#logger.error(
      {
        event: 'worker ended',
        worker: worker.member.number,
        restartIn: delay,
        ...(err !== undefined && { err }),
      },
      'a worker ended: its requests were cut, and another one starts',
    )
    systemClock.after(delay, () => this.#restart())
  }

  async #restart(): Promise<void> {
    if (this.#isClosing) return
    try {
      const worker = await this.#begin()
      await this.#listen(worker)
      this.#logger.info({ event: 'worker started', worker: worker.member.number }, 'a worker started')
    } catch (err) {
      // A worker that ended is started again by its end.
      if (!this.#isClosing) this.#logger.error({ err }, 'a worker could not start')
    }
  }
}
