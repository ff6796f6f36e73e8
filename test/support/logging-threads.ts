import { writeSync } from 'node:fs'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { pino } from 'pino'
import { logStream } from '../../src/gateway/logging/log-stream.js'
import { prettyLog } from '../../src/gateway/logging/pretty-log.js'
import { workerLogStream } from '../../src/gateway/logging/worker-log-stream.js'
import { type LogHandle, WorkerLogs } from '../../src/gateway/logging/worker-logs.js'

// A program whose threads log lines of many lengths, and which does then what it is told to do.

/** What the program does. When it ends, except for `exit`, it tells the number of dropped lines on standard error. */
export interface LoggingTask {
  threads: number
  /** Number of lines of each thread. */
  lines: number
  /**
   * What happens. Unless it is `flow` or `stay`, the main thread does nothing else until all lines are logged.
   *
   * - `flow`: the threads end once they have logged their lines, and then the process.
   * - `stay`: the threads log their lines, and then nothing else happens.
   * - `end`: the threads end, and then the process.
   * - `exit`: the main thread logs a line, and the process exits at once.
   * - `fatal`: each thread logs a fatal line and ends by an error.
   * - `terminate`: the threads go on with lines until the main thread ends one after another, except for the first.
   */
  next: 'flow' | 'stay' | 'end' | 'exit' | 'fatal' | 'terminate'
  /** Largest number of characters of a line's filling. */
  length?: number
  pretty?: boolean
}

interface ThreadData {
  task: LoggingTask
  thread: number
  log: LogHandle
  /** How many threads have logged their lines, and whether they may end. */
  state: Int32Array
}

const DONE = 0
const GO_ON = 1

async function logger(task: LoggingTask, stream: ReturnType<typeof logStream>) {
  return pino({ base: null, timestamp: false }, (task.pretty && (await prettyLog(stream))) || stream)
}

async function main(task: LoggingTask): Promise<void> {
  const logs = new WorkerLogs()
  const stdout = logStream((lines, total) => log.warn({ lines, total }, 'dropped'), logs)
  const log = await logger(task, stdout)
  if (task.next !== 'exit') process.on('exit', () => writeSync(2, `${stdout.dropped()}\n`))
  const state = new Int32Array(new SharedArrayBuffer(8))
  const workers = Array.from({ length: task.threads }, (_, thread) => {
    const seat = logs.connect()
    const data: ThreadData = { task, thread, log: seat.handle, state }
    const worker = new Worker(new URL(import.meta.url), { workerData: data, stdout: true })
    worker.stdout.on('data', () => {
      throw new Error('a line was sent as a message')
    })
    seat.follow(worker)
    worker.on('error', (error) => {
      if (error.message !== 'as told') throw error
    })
    return worker
  })
  if (task.next === 'flow' || task.next === 'stay') return
  // The threads need this one to start, and not to log.
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('online', resolve))))
  for (let done = 0; done < task.threads; done = Atomics.load(state, DONE)) Atomics.wait(state, DONE, done)
  if (task.next === 'exit') {
    log.info('at last')
    process.exit(0)
  }
  if (task.next === 'terminate') {
    for (const worker of workers.slice(1)) await worker.terminate()
  }
  Atomics.store(state, GO_ON, 1)
  Atomics.notify(state, GO_ON)
}

async function work({ task, thread, log: handle, state }: ThreadData): Promise<void> {
  const log = await logger(task, workerLogStream(handle))
  const line = (i: number) =>
    log.info({ thread, i, fill: 'x'.repeat((i * 997) % (task.length ?? 1)) }, 'line')
  for (let i = 0; i < task.lines; i++) line(i)
  Atomics.add(state, DONE, 1)
  Atomics.notify(state, DONE)
  if (task.next === 'terminate' && thread > 0) for (let i = task.lines; ; i++) line(i)
  if (task.next === 'flow') return
  Atomics.wait(state, GO_ON, 0)
  if (task.next === 'fatal') {
    log.fatal({ thread, i: task.lines, fill: '' }, 'line')
    throw new Error('as told')
  }
}

if (isMainThread) await main(JSON.parse(process.argv[2] as string) as LoggingTask)
else await work(workerData as ThreadData)
