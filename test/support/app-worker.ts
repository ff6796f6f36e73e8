import { type MessagePort, workerData } from 'node:worker_threads'
import Fastify from 'fastify'
import leastwise, { type LeastwiseOptions, type PoolHandle } from '../../src/index.js'
import { Channel } from '../../src/threads/channel.js'

/** What the thread of this file is given. */
export interface AppWorkerData {
  pool: PoolHandle
  options: LeastwiseOptions
  port: MessagePort
}

/** What the thread of this file takes. */
export interface ToAppWorker {
  /** Listens on a free port of loopback, and answers its address. */
  listen(): string
  /** Tries every change of a pool, and answers with the codes of the errors. */
  change(): unknown[]
  /** Answers how many requests are in flight on each backend. */
  inFlight(): number[]
  /** Closes the app. The thread goes on. */
  close(): void
  /** Ends the thread as an error does that nobody catches. */
  fail(): void
}

const { pool, options, port }: AppWorkerData = workerData
const app = Fastify()
app.addHook('onRequest', async (_request, reply) => {
  reply.header('x-worker', pool.worker)
})
app.get('/own', async () => `worker ${pool.worker}`)
await app.register(leastwise, { ...options, prefix: '/api', shared: pool })

const { balancer } = app
const { registry } = balancer
const changes = [
  () => registry.add({ url: 'http://127.0.0.1:1' }),
  () => registry.sync('config', []),
  () => registry.update('a', { weight: 2 }),
  () => registry.drain('a'),
  () => registry.activate('a'),
  () => registry.remove('a', { force: true }),
  () => registry.setHealth('a', 'unhealthy'),
  () => {
    balancer.policy = 'round-robin'
  },
]

new Channel<ToAppWorker, object>(
  port,
  {
    listen: () => app.listen({ host: '127.0.0.1', port: 0 }),
    change: () => changes.map(codeOf),
    inFlight: () => registry.list().map(({ inFlight }) => inFlight),
    close: () => app.close(),
    fail() {
      setImmediate(() => {
        throw new Error('as it was told')
      })
    },
  },
  {
    keepsAlive: true,
    onError(error) {
      throw error
    },
  },
)

function codeOf(change: () => unknown): unknown {
  try {
    change()
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  }
}
