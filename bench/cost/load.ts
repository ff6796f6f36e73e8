import { setTimeout as sleep } from 'node:timers/promises'
import { startBackend } from './answers.js'
import { Clients, type ClientsOptions } from './clients.js'
import { cpuTime } from './cpu-time.js'
import { ANSWER_BYTES, kindOf } from './kinds.js'

/** What is to be measured. */
export interface Order extends ClientsOptions {
  /** Processes whose CPU time counts. */
  pids: number[]
  /** Milliseconds under load before it counts. */
  lead: number
  /** Milliseconds that count. */
  duration: number
  /** Answers for which that is made longer, up to {@link LONGEST} times; 0 for any. */
  answers: number
}

/** A measurement is at most so many times as long as was asked for. */
const LONGEST = 4
/** Milliseconds between two looks at whether there were enough answers. */
const LOOK_MS = 100

/** One measurement. */
export interface Sample {
  /** Requests that were answered; of long answers also the parts that came. */
  requests: number
  /** Requests that were due while every connection was in use. */
  late: number
  /** Nanoseconds. */
  cpu: number
  /** Milliseconds. */
  elapsed: number
}

/**
 * A process of its own with everything but the gateways: the clients, and the backends. They are in one,
 * because two on one core would keep each other waiting; and what clients count and what the kernel counts
 * is read at the same moment.
 */
async function main(): Promise<void> {
  const backends = await Promise.all(Array.from({ length: 3 }, startBackend))
  process.on('disconnect', () => process.exit())
  // Who presses Ctrl-C wants the parent to stop.
  process.on('SIGINT', () => {})
  process.on('message', (order: Order) => {
    measure(order).then(
      (sample) => process.send?.({ sample }),
      (error: Error) => process.send?.({ error: error.message }),
    )
  })
  process.send?.({ backends: backends.map(({ url }) => url) })
}

async function measure(order: Order): Promise<Sample> {
  const clients = new Clients(order)
  const { answer } = kindOf(order.kind)
  // Of streams so few end in this time that one more or less would show.
  const requests = () => (answer === 'stream' ? clients.bytes / ANSWER_BYTES.stream : clients.answered)
  const look = () => ({
    requests: requests(),
    late: clients.late,
    cpu: cpuTime(order.pids),
    elapsed: performance.now(),
  })
  try {
    await sleep(order.lead)
    const before = look()
    await sleep(order.duration)
    const longest = before.elapsed + LONGEST * order.duration
    while (clients.answered < order.answers && performance.now() < longest) await sleep(LOOK_MS)
    const after = look()
    if (clients.error) throw clients.error
    return {
      requests: after.requests - before.requests,
      late: after.late - before.late,
      cpu: after.cpu - before.cpu,
      elapsed: after.elapsed - before.elapsed,
    }
  } finally {
    clients.stop()
  }
}

main()
