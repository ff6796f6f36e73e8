import { workerData } from 'node:worker_threads'
import { Channel } from '../../src/threads/channel.js'

/** What the thread of this file takes. */
export interface ToWorker {
  double(number: number): number
  /** Asks the one who asked in turn, and answers with what it got. */
  pass(text: string): string
  /** Never answers, and does not return to its event loop either. */
  spin(cell: Int32Array): void
  fail(message: string): void
}

/** What the thread takes that started this one. */
export interface ToStarter {
  upperCase(text: string): string
}

const channel: Channel<ToWorker, ToStarter> = new Channel<ToWorker, ToStarter>(
  workerData.port,
  {
    double: (number) => number * 2,
    pass: (text) => channel.ask('upperCase', text, { timeout: 60_000 }),
    spin(cell) {
      Atomics.store(cell, 0, 1)
      for (;;);
    },
    fail(message) {
      throw Object.assign(new RangeError(message), { code: 'TOO_FAR' })
    },
  },
  {
    keepsAlive: workerData.keepsAlive,
    onError(error) {
      throw error
    },
  },
)
