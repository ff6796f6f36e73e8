import { setImmediate } from 'node:timers/promises'
import { MessageChannel, Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import type { KeySetChange } from '../../auth/keys/key-set-replica.js'
import type { Balancer } from '../../balancer/balancer.js'
import { systemClock } from '../../balancer/time/clock.js'
import type { GatewayConfig } from '../../config/file/gateway-config.js'
import type { Settings } from '../../config/settings.js'
import { Channel } from '../../threads/channel.js'
import { AnswerError } from '../../threads/errors.js'
import type { ControlServices } from '../control-services.js'
import { ListenError } from '../listeners.js'
import type { WorkerLogs } from '../logging/worker-logs.js'
import type { ToControl, ToWorker, WorkerStart } from './protocol.js'
import { WorkerPools } from './worker-pools.js'

/** Time that a worker gets to start, to listen, and to make ready for another configuration. */
const ANSWER_TIMEOUT_MS = 30_000
/** Time beyond the limit of a shutdown after which a worker that has not answered is ended. */
const FINISH_GRACE_MS = 1000

/** What a worker thread begins with. */
export interface ThreadStart {
  /** From 0 on. A worker that has ended leaves its number to another one. */
  number: number
  /** What the thread runs. */
  file: URL
  settings: Settings
  config: GatewayConfig
  balancers: ReadonlyMap<string, Balancer>
  services: ControlServices
  logs: WorkerLogs
  logger: Logger
  /** Called once the thread has ended. */
  onEnded(thread: WorkerThread, reason: unknown): void
}

/** A worker thread of the gateway, as the control plane sees it. */
export class WorkerThread {
  readonly number: number
  readonly pools: WorkerPools
  /** Resolves once the worker can listen. Rejects if it ends before, or takes too long. */
  readonly ready: Promise<void>
  /** Rejects once the thread has ended. */
  readonly ended: Promise<never>
  readonly #thread: Worker
  readonly #channel: Channel<ToControl, ToWorker>
  #hasEnded = false

  constructor({ number, file, settings, config, balancers, services, logs, logger, onEnded }: ThreadStart) {
    this.number = number
    this.pools = new WorkerPools(number)
    const { handles, transferList } = this.pools.connect(balancers)
    const log = logs.connect()
    const { port1, port2 } = new MessageChannel()
    const workerData: WorkerStart = {
      worker: number,
      settings,
      config,
      pools: handles,
      log: log.handle,
      port: port2,
    }
    this.#thread = new Worker(file, { workerData, transferList: [...transferList, port2] })
    log.follow(this.#thread)
    let isReady = () => {}
    const ready = new Promise<void>((resolve) => {
      isReady = resolve
    })
    this.#channel = new Channel<ToControl, ToWorker>(
      port1,
      {
        ready: () => isReady(),
        count: ({ key, window, max }) =>
          new Promise((resolve) => services.counter.increment(key, window, max, resolve)),
        keySet: (url) => services.keySets.get(url),
        refreshedKeySet: ({ url, revision }) => services.keySets.refresh(url, revision),
        routeCounts: (deltas) => services.meter.add(deltas),
      },
      {
        onError: (err) => logger.error({ err, worker: number }, 'a message of a worker failed'),
        after: systemClock.after,
      },
    )
    let failure: unknown
    this.#thread.on('error', (error) => {
      failure = error
    })
    this.ended = new Promise<never>((_, reject) => {
      this.#thread.on('exit', (code) => {
        this.#hasEnded = true
        const reason = failure ?? new Error(`the thread ended with exit code ${code}`)
        reject(reason)
        this.pools.close(messageOf(reason))
        this.#channel.close()
        onEnded(this, reason)
      })
    })
    this.ended.catch(() => {})
    this.ready = inTime(Promise.race([ready, this.ended]))
  }

  /**
   * Has the worker listen, once it knows of every change that was answered already.
   * @param ports the ports, where another worker has opened them already
   * @returns the ports
   * @throws {ListenError}
   */
  async listen(ports: readonly number[] | undefined): Promise<readonly number[]> {
    // That the worker takes part is told on ports of its own, and may come after what it told on this one.
    while (!this.pools.takesPart && !this.#hasEnded) await setImmediate()
    await Promise.race([this.pools.settled(), this.ended])
    return this.#ask('listen', ports)
  }

  /**
   * Has the worker make ready for another configuration.
   * @param balancers the pools of that configuration by name
   * @param ports the ports of its listeners, where another worker has opened them already
   * @returns the ports
   */
  async prepare(
    config: GatewayConfig,
    balancers: ReadonlyMap<string, Balancer>,
    ports: readonly number[] | undefined,
  ): Promise<readonly number[]> {
    // A place in a pool that a thread got after its end would never be free again.
    if (this.#hasEnded) return this.ended
    const { handles, transferList } = this.pools.connect(balancers)
    return this.#ask('prepare', { config, pools: handles, ports }, transferList)
  }

  /** Has the worker bring the configuration into force that it was made ready for. */
  commit(): Promise<void> {
    return this.#ask('commit', undefined)
  }

  /** Tells the worker that the keys of a URL have changed. */
  keysChanged(change: KeySetChange): void {
    this.#channel.tell('keysChanged', change)
  }

  /** Has the worker give up the configuration that it was made ready for. */
  rollback(): Promise<void> {
    return this.#ask('rollback', undefined)
  }

  /**
   * Has the worker accept no new connections and finish its requests in flight, and ends it.
   * @param timeout milliseconds after which the remaining requests are cut
   * @returns how many were cut
   */
  async finish(timeout: number): Promise<number> {
    const options = { timeout: timeout + FINISH_GRACE_MS }
    const cut = await this.#channel.ask('finish', timeout, options).catch(() => this.pools.inFlight)
    await this.#thread.terminate()
    return cut
  }

  /** Ends the worker at once. Resolves once the thread has ended. */
  async terminate(): Promise<void> {
    await this.#thread.terminate()
  }

  /** @throws {ListenError} for a listener that could not be opened, and whatever ended the thread meanwhile */
  async #ask<N extends Exclude<keyof ToWorker, 'finish' | 'keysChanged'>>(
    name: N,
    payload: Parameters<Channel<ToControl, ToWorker>['ask']>[1],
    transfer: Parameters<Channel<ToControl, ToWorker>['ask']>[2]['transfer'] = [],
  ): Promise<ReturnType<ToWorker[N]>> {
    try {
      const asked = this.#channel.ask(name, payload as never, { timeout: ANSWER_TIMEOUT_MS, transfer })
      // The port closes before the thread has told what it ended with.
      const answer = asked.catch((error) => (this.#channel.closed ? this.ended : Promise.reject(error)))
      return (await Promise.race([answer, this.ended])) as ReturnType<ToWorker[N]>
    } catch (error) {
      throw error instanceof AnswerError ? new ListenError(error.message) : error
    }
  }
}

/** Rejects after {@link ANSWER_TIMEOUT_MS}. */
async function inTime(start: Promise<void>): Promise<void> {
  let cancel = () => {}
  const tooLong = new Promise<never>((_, reject) => {
    cancel = systemClock.after(ANSWER_TIMEOUT_MS, () =>
      reject(new Error(`it took longer than ${ANSWER_TIMEOUT_MS} ms`)),
    )
  })
  await Promise.race([start, tooLong]).finally(cancel)
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
