// Over 200 lines: what is done with all workers together, each in a few lines.
import type { Logger } from 'pino'
import type { KeySetChange } from '../../auth/keys/key-set-replica.js'
import type { Balancer } from '../../balancer/balancer.js'
import type { PoolWorker } from '../../balancer/threads/pool-worker.js'
import { systemClock } from '../../balancer/time/clock.js'
import type { GatewayConfig } from '../../config/file/gateway-config.js'
import type { Settings } from '../../config/settings.js'
import type { ControlServices } from '../control-services.js'
import { ListenError } from '../listeners.js'
import type { WorkerLogs } from '../logging/worker-logs.js'
import type { GatewayPools } from '../pools.js'
import { RestartDelays } from './restart-delays.js'
import { messageOf, WorkerThread } from './worker-thread.js'

const FILE = new URL('./worker.js', import.meta.url)

/** A worker could not start. The message is one line. */
export class WorkerStartError extends Error {}

export interface TrafficWorkersOptions {
  /** Number of workers. */
  count: number
  settings: Settings
  logger: Logger
  logs: WorkerLogs
  pools: GatewayPools
  services: ControlServices
  /** Says how long to wait before a worker is started again. */
  delays?: Pick<RestartDelays, 'next'> | undefined
  /** What a worker runs. */
  file?: URL | undefined
}

/** The worker threads of the gateway: they listen on the traffic ports, and are started again when one ends. */
export class TrafficWorkers {
  readonly #options: TrafficWorkersOptions
  readonly #delays: Pick<RestartDelays, 'next'>
  readonly #running = new Set<WorkerThread>()
  #config: GatewayConfig
  /** The traffic ports, once the first worker listens on them. */
  #ports: readonly number[] | undefined
  /** True once all workers have listened: from then on, one that ends is started again. */
  #isOpen = false
  #isClosing = false

  constructor(config: GatewayConfig, options: TrafficWorkersOptions) {
    this.#config = config
    this.#options = options
    this.#delays = options.delays ?? new RestartDelays(systemClock)
  }

  /** The traffic ports, in the order of the configuration. */
  get ports(): readonly number[] {
    return this.#ports ?? []
  }

  /**
   * Starts all workers. The first one opens the ports, which may be any free ones, and the others share them.
   * @throws {ListenError | WorkerStartError}
   */
  async start(): Promise<void> {
    const workers = Array.from({ length: this.#options.count }, (_, number) => this.#begin(number))
    try {
      await Promise.race([this.#open(workers), ...workers.map(({ ended }) => ended)])
    } catch (error) {
      throw error instanceof ListenError
        ? error
        : new WorkerStartError(`a worker thread could not start: ${messageOf(error)}`)
    }
    this.#isOpen = true
  }

  async #open(workers: WorkerThread[]): Promise<void> {
    await Promise.all(workers.map(({ ready }) => ready))
    for (const worker of workers) this.#ports = await worker.listen(this.#ports)
  }

  /**
   * Ends all workers: they accept no new connections, and their requests in flight finish.
   * @param timeout milliseconds after which the remaining requests are cut
   * @returns how many were cut
   */
  async finish(timeout: number): Promise<number> {
    this.#isClosing = true
    const cuts = await Promise.all(Array.from(this.#running, (worker) => worker.finish(timeout)))
    return cuts.reduce((sum, cut) => sum + cut, 0)
  }

  /** Tells all workers that the keys of a URL have changed. */
  keysChanged(change: KeySetChange): void {
    for (const worker of this.#running) worker.keysChanged(change)
  }

  /**
   * Has all workers make ready for another configuration.
   * @param balancers the pools of that configuration by name
   * @returns a function that brings it into force in all of them, and one that gives it up
   * @throws if it cannot be brought into force; then nothing has changed
   */
  async prepare(
    config: GatewayConfig,
    balancers: ReadonlyMap<string, Balancer>,
  ): Promise<{ commit(): Promise<void>; rollback(): Promise<void> }> {
    const workers = [...this.#running]
    let ports: readonly number[] | undefined
    const prepare = (worker: WorkerThread) =>
      this.#unlessEnded(worker, worker.prepare(config, balancers, ports))
    const rollback = async () => {
      await Promise.all(workers.map((worker) => worker.rollback().catch(() => worker.terminate())))
    }
    try {
      const waiting = [...workers]
      // The first one that answers opens new listeners, whose ports may be any free ones.
      while (!ports && waiting.length > 0) ports = await prepare(waiting.shift() as WorkerThread)
      await Promise.all(waiting.map(prepare))
    } catch (error) {
      await rollback()
      throw error
    }
    return {
      rollback,
      commit: async () => {
        this.#config = config
        this.#ports = ports ?? config.listen.map(({ port }) => port)
        // A worker that was started meanwhile has the configuration before, and the next one in its place this one.
        const late = [...this.#running].filter((worker) => !workers.includes(worker))
        await Promise.all([
          ...late.map((worker) => worker.terminate()),
          ...workers.map((worker) => worker.commit().catch(() => worker.terminate())),
        ])
      },
    }
  }

  /** Waits for a worker, unless it ends meanwhile: then another one starts with the configuration in force by then. */
  async #unlessEnded<T>(worker: WorkerThread, answer: Promise<T>): Promise<T | undefined> {
    return answer.catch((error) => (this.#running.has(worker) ? Promise.reject(error) : undefined))
  }

  /** Ends a worker whose event loop does not turn, as a pool has found. */
  replace(member: PoolWorker): void {
    const worker = [...this.#running].find(({ pools }) => pools.has(member))
    if (!worker) return
    this.#options.logger.error(
      { event: 'worker silent', worker: worker.number },
      'a worker did not answer, and is ended',
    )
    worker.terminate()
  }

  /** Starts a worker. It does not listen yet. */
  #begin(number: number): WorkerThread {
    const { settings, logger, logs, pools, services, file = FILE } = this.#options
    const worker = new WorkerThread({
      number,
      file,
      settings,
      config: this.#config,
      balancers: pools.balancers,
      services,
      logs,
      logger,
      onEnded: (thread, reason) => this.#ended(thread, reason),
    })
    worker.ready.catch(() => {})
    this.#running.add(worker)
    return worker
  }

  /** Notes that a worker has ended, and starts another one in its place. */
  #ended(worker: WorkerThread, err: unknown): void {
    this.#running.delete(worker)
    if (this.#isClosing || !this.#isOpen) return
    const { number } = worker
    const cut = worker.pools.inFlight
    const restartIn = this.#delays.next(number)
    this.#options.logger.error(
      { event: 'worker ended', worker: number, cut, restartIn, err },
      'a worker ended: its requests were cut, and another one starts',
    )
    systemClock.after(restartIn, () => this.#restart(number))
  }

  async #restart(number: number): Promise<void> {
    if (this.#isClosing) return
    const { logger } = this.#options
    const worker = this.#begin(number)
    try {
      await worker.ready
      if (this.#isClosing) return
      await worker.listen(this.#ports)
      logger.info({ event: 'worker started', worker: number }, 'a worker started')
    } catch (err) {
      if (this.#isClosing || !this.#running.has(worker)) return
      logger.error({ err, worker: number }, 'a worker could not start, and is ended')
      // Its end starts another one.
      worker.terminate()
    }
  }
}
