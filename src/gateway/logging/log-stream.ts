import { fstatSync, write, writeSync } from 'node:fs'
import type { DestinationStream } from 'pino'
import type { WorkerLogs } from './worker-logs.js'

const STDOUT = 1
/**
 * Number of characters after which log lines are written without waiting for more lines; a pipe holds as many. Each write
 * wakes a thread of libuv and the reader, which costs more than the lines of a small write.
 */
const FLUSH_CHARACTERS = 64 * 1024
/** Bytes that may wait for a slow reader; lines beyond that are dropped, or stay with the worker that logged them. */
const MAX_WAITING_BYTES = 32 * 1024 * 1024
/** Time that a line may wait for further lines. */
const FLUSH_INTERVAL_MS = 20
/** Time until the first further attempt to write to a full pipe; it doubles with each one up to the interval above. */
const FIRST_RETRY_MS = 1
const NEWLINE = 0x0a
/** Time that a write in libuv's thread pool gets to finish when the process exits, long enough for a busy machine. */
const WRITE_GRACE_MS = 500
/** Longest time that the process waits when it exits while the reader of a pipe takes nothing. */
const MAX_STANDSTILL_MS = 1000
/** Longest time in all that the process waits when it exits, for a reader that takes the last lines slowly. */
const MAX_EXIT_WAIT_MS = 5000
/** Longest time in all that this thread waits for the reader after a fatal line. */
const MAX_FATAL_WAIT_MS = 1000

/** Destination of log lines; `flushSync` is called for lines that are logged as fatal. */
export type LogStream = DestinationStream & {
  flushSync(): void
  /** Number of lines that were lost so far, because there was no room for them or they could not be written. */
  dropped(): number
}

/**
 * Standard output for log lines, with several lines in one write: one write for each line would cost more than all
 * other work for it. Writes do not block. Where they fail, as on a full disk, the lines are lost and the process goes
 * on. (pino's own destination waits for ever for room on a full disk when the process exits.) Otherwise nothing is lost
 * on exit, unless nobody reads the lines, or the process gets no notice of it: SIGKILL, abort, out of memory.
 * @param onDropped called once lines are written again after some were dropped, with their number since the last call
 * and in all
 * @param workers whose lines are written as well, and whose dropped lines are counted with those of this thread
 */
export function logStream(
  onDropped: (lines: number, total: number) => void = () => {},
  workers?: WorkerLogs,
): LogStream {
  let lines = ''
  // Lines that wait for long are kept as buffers, because each garbage collection would copy strings.
  let packed: Buffer[] = []
  let size = 0
  let writing = false
  /** Bytes that the reader had no room for (EAGAIN); the write is tried again. */
  let refused: Buffer | undefined
  let retryDelay = FIRST_RETRY_MS
  let retryTimer: NodeJS.Timeout | undefined
  let flushTimer: NodeJS.Timeout | undefined
  /** Number of lines that were dropped here. */
  let dropped = 0
  /** Number of lines, of workers as well, that were dropped and reported to `onDropped`. */
  let reported = 0

  const droppedInAll = () => dropped + (workers?.dropped() ?? 0)
  /** Reports the number of dropped lines, once there is room for a line about it. */
  const reportDropped = () => {
    const total = droppedInAll()
    if (total === reported) return
    const since = total - reported
    reported = total
    onDropped(since, total)
  }
  const add = (chunk: Buffer) => {
    packed.push(chunk)
    size += chunk.length
  }
  const pack = () => {
    add(Buffer.from(lines))
    lines = ''
  }
  const take = () => {
    clearTimeout(flushTimer)
    flushTimer = undefined
    pack()
    const [first = Buffer.alloc(0), ...more] = packed
    const chunk = more.length > 0 ? Buffer.concat(packed) : first
    packed = []
    size = 0
    return chunk
  }
  const send = (chunk: Buffer) => {
    refused = undefined
    write(STDOUT, chunk, (error, written) => {
      const rest = chunk.subarray(written)
      if (error?.code === 'EAGAIN') {
        refused = chunk
        retryTimer = setTimeout(send, retryDelay, chunk)
        retryDelay = Math.min(2 * retryDelay, FLUSH_INTERVAL_MS)
        return
      }
      retryDelay = FIRST_RETRY_MS
      if (!error && rest.length > 0) {
        send(rest)
      } else {
        if (error) dropped += linesIn(rest)
        writing = false
        flush()
        // The report comes only now, because room for another line exists once the waiting lines are being written.
        if (!error) reportDropped()
      }
    })
  }
  const flush = () => {
    if (writing || (size === 0 && lines === '')) return
    writing = true
    send(take())
  }
  const flushWithin = (maxWait: number) => {
    // A pending write runs in a thread of libuv, and bytes written here would overtake it. Nothing tells when that
    // thread is done, so it gets some time.
    if (writing && !refused) pause(WRITE_GRACE_MS)
    workers?.addAll()
    let rest = refused ? Buffer.concat([refused, take()]) : take()
    if (refused) {
      clearTimeout(retryTimer)
      refused = undefined
      writing = false
    }
    let [standstill, waited] = [0, 0]
    while (rest.length > 0 && standstill < MAX_STANDSTILL_MS && waited < maxWait) {
      try {
        rest = rest.subarray(writeSync(STDOUT, rest))
        standstill = 0
      } catch (error) {
        // Nobody reads the output, or the disk is full, so there is no place left to report the error.
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') {
          dropped += linesIn(rest)
          return
        }
        const delay = Math.min(Math.max(standstill, FIRST_RETRY_MS), FLUSH_INTERVAL_MS)
        pause(delay)
        standstill += delay
        waited += delay
      }
    }
  }
  process.on('exit', () => flushWithin(MAX_EXIT_WAIT_MS))
  neverBlock()
  workers?.writeTo({
    room: () => MAX_WAITING_BYTES - size,
    add(chunk) {
      // Lines of this thread that were logged before stay before.
      if (lines !== '') pack()
      add(chunk)
    },
    flush,
  })
  return {
    write(line) {
      if (size > MAX_WAITING_BYTES) {
        dropped++
        return
      }
      // What this thread says often follows from what a worker did, and comes after what that said.
      workers?.gather()
      lines += line
      if (lines.length < FLUSH_CHARACTERS) {
        flushTimer ??= setTimeout(flush, FLUSH_INTERVAL_MS)
      } else {
        pack()
        flush()
      }
    },
    flushSync: () => flushWithin(MAX_FATAL_WAIT_MS),
    dropped: droppedInAll,
  }
}

function linesIn(text: Buffer): number {
  let count = 0
  for (let at = text.indexOf(NEWLINE); at >= 0; at = text.indexOf(NEWLINE, at + 1)) count++
  return count
}

/**
 * Makes writes to a pipe fail with EAGAIN when the pipe is full. A blocking write would hold a thread for which Node
 * waits when it exits, for ever where nobody reads the pipe. Accessing `process.stdout` makes Node set the pipe to
 * non-blocking.
 */
function neverBlock(): void {
  try {
    const found = fstatSync(STDOUT)
    if (found.isFIFO() || found.isSocket()) process.stdout.on('error', () => {})
  } catch {
    // Standard output is closed.
  }
}

/** Blocks this thread; only for use while the process exits. @param milliseconds for how long */
function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}
