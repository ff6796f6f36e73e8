import { parentPort } from 'node:worker_threads'

/** How a worker dies that is told to. */
const deaths = {
  throw: () => {
    throw new Error('the worker was told to throw')
  },
  exit: () => process.exit(3),
  reject: () => void Promise.reject(new Error('the worker was told to reject')),
  loop: () => {
    for (;;);
  },
  memory: () => {
    const kept: object[] = []
    for (;;) kept.push(Array.from({ length: 1000 }, () => ({})))
  },
}

export type Death = keyof typeof deaths

// The worker of the gateway, which dies when it is told to.
parentPort?.on('message', (death: Death) => deaths[death]()).unref()

await import('../../src/gateway/workers/worker.js')
