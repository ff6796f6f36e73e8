import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { fork } from '../../test/support/children.js'
import type { Ask } from './backends.js'
import { IdleClients } from './clients.js'
import type { Memory } from './gateway.js'

/** The gateway with idle connections. */
export interface Held {
  memory: Memory
  /** Connections to backends, by the backends' count. */
  backends: number
  /** Connections of clients. */
  clients: number
}

/** The gateway at three moments. */
export interface IdleResult {
  /** Warm, with few connections. */
  before: Memory
  /** With as many idle connections of clients as to backends. */
  both: Held
  /** With idle connections to backends alone. */
  upstream: Held
}

/** Nothing is to end a connection, and nothing to shed a request, while this runs. */
const settings = {
  UPSTREAM_KEEP_ALIVE: '600000',
  MAX_CONNECTION_AGE: '0',
  KEEP_ALIVE_TIMEOUT: '600000',
  RESPONSE_TIMEOUT: '0',
  MAX_EVENT_LOOP_DELAY: '0',
}
/** Requests that warm the gateway up, and the connections that they are sent on. */
const WARM_UP = { requests: 10_000, connections: 20 }
/** Milliseconds in which the gateway hears that clients have gone. */
const SETTLE_MS = 500
/** Milliseconds between two looks at how many requests wait. */
const LOOK_MS = 20

/** @param connections to backends */
export async function idle(connections: number, signal: AbortSignal): Promise<IdleResult> {
  const children: ChildProcess[] = []
  const start = async <T>(
    name: string,
    env: Record<string, string>,
  ): Promise<{ child: ChildProcess; ready: T }> => {
    const child = fork(fileURLToPath(new URL(name, import.meta.url)), {
      execArgv: ['--expose-gc'],
      env: { PATH: process.env.PATH, ...env },
    })
    children.push(child)
    const [ready] = (await once(child, 'message', { signal })) as [T]
    return { child, ready }
  }
  const clients = new IdleClients()
  try {
    const backends = await start<string[]>('backends.js', {})
    const gateway = await start<string>('gateway.js', { BACKENDS: backends.ready.join(), ...settings })
    const port = Number(new URL(gateway.ready).port)
    const ask = (what: Ask) => told<number>(backends.child, what, signal)
    const look = () => told<Memory>(gateway.child, 'look', signal)
    const held = async (): Promise<Held> => {
      const memory = await look()
      return { memory, backends: await ask('open'), clients: clients.count }
    }

    const few = await clients.open(port, WARM_UP.connections)
    for (let i = 0; i < WARM_UP.requests; i += few.length) await clients.request(few)
    clients.close()
    await sleep(SETTLE_MS, undefined, { signal })
    const before = await look()

    await ask('hold')
    const many = await clients.open(port, connections)
    const answered = clients.request(many)
    while ((await ask('waiting')) < connections) await Promise.race([sleep(LOOK_MS), answered])
    await ask('answer')
    await answered
    const both = await held()
    clients.close()
    await sleep(SETTLE_MS, undefined, { signal })
    return { before, both, upstream: await held() }
  } finally {
    clients.close()
    for (const child of children) child.kill('SIGKILL')
  }
}

async function told<T>(child: ChildProcess, message: string, signal: AbortSignal): Promise<T> {
  const answer = once(child, 'message', { signal })
  child.send(message)
  return (await answer)[0] as T
}
