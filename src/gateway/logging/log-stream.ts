import { fstatSync, write, writeSync } from 'node:fs'
import type { DestinationStream } from 'pino'

const STDOUT = 1
/** Characters of log lines after which they are written without waiting for more. */
const FLUSH_CHARACTERS = 16 * 1024
/** Bytes that may wait for a reader who does not read; lines beyond that are dropped. */
const MAX_WAITING_BYTES = 32 * 1024 * 1024
/** Time that a line may wait for others. */
const FLUSH_INTERVAL_MS = 20
const NEWLINE = 0x0a
/** Time that a write of libuv's thread pool has to finish when the process exits, on a busy machine, too. */
const WRITE_GRACE_MS = 200
/** Tries to write the last lines when the process exits and the reader of a pipe is behind. */
const MAX_EXIT_TRIES = 50

/** Where lines go; `flushSync` is for what is logged as fatal. */
export type LogStream = DestinationStream & {
  flushSync(): void
  /** Lines so far that nobody will read: there was no room for them, or they could not be written. */
  dropped(): number
}

/**
 * Standard output for log lines, several in one write: a write for each costs more than all else that is done for a
 * line. Writes do not block, and where they fail, as on a full disk, the lines are lost and the process is not. (pino's
 * own destination waits for room on a full disk when the process exits, for ever.) Otherwise nothing is lost on exit,
 * unless the process is not told: SIGKILL, abort, out of memory.
 * @param onDropped called once lines are written again after some were dropped: how many since the last call, and in all
 */
export function logStream(onDropped: (lines: number, total: number) => void = () => {}): LogStream {
  let lines = ''
  // Lines that wait for long are kept as buffers: strings would be copied by each garbage collection.
  let packed: Buffer[] = []
  let size = 0
  let writing = false
  /** What the reader had no room for yet (EAGAIN), and is tried again. */
  let refused: Buffer | undefined
  let retryTimer: NodeJS.Timeout | undefined
  let flushTimer: NodeJS.Timeout | undefined
  /** Lines that were dropped, and how many of them `onDropped` was told of. */
  let dropped = 0
  let reported = 0

  /** Says how many lines were dropped, now that there is room for a line that says so. */
  const reportDropped = () => {
    if (dropped === reported) return
    const since = dropped - reported
    reported = dropped
    onDropped(since, dropped)
  }
  const pack = () => {
    const chunk = Buffer.from(lines)
    packed.push(chunk)
    size += chunk.length
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
        retryTimer = setTimeout(send, FLUSH_INTERVAL_MS, chunk)
      } else if (!error && rest.length > 0) {
        send(rest)
      } else {
        if (error) dropped += linesIn(rest)
        writing = false
        flush()
        // Only now that the waiting lines are being written there is room for one more.
        if (!error) reportDropped()
      }
    })
  }
  const flush = () => {
    if (writing || (size === 0 && lines === '')) return
    writing = true
    send(take())
  }
  const flushSync = () => {
    // A write that is under way is done by a thread of libuv's, and what is written here would come before it. Nothing
    // tells when that thread is done, so it is given some time.
    if (writing && !refused) pause(WRITE_GRACE_MS)
    let rest = refused ? Buffer.concat([refused, take()]) : take()
    if (refused) {
      clearTimeout(retryTimer)
      refused = undefined
      writing = false
    }
    for (let tries = 0; rest.length > 0 && tries < MAX_EXIT_TRIES; ) {
      try {
        rest = rest.subarray(writeSync(STDOUT, rest))
      } catch (error) {
        // Nobody reads it, or the disk is full: there is nowhere left to report that.
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') {
          dropped += linesIn(rest)
          return
        }
        tries++
        pause(FLUSH_INTERVAL_MS)
      }
    }
  }
  process.on('exit', flushSync)
  neverBlock()
  return {
    write(line) {
      if (size > MAX_WAITING_BYTES) {
        dropped++
        return
      }
      lines += line
      if (lines.length < FLUSH_CHARACTERS) {
        flushTimer ??= setTimeout(flush, FLUSH_INTERVAL_MS)
      } else {
        pack()
        flush()
      }
    },
    flushSync,
    dropped: () => dropped,
  }
}

function linesIn(text: Buffer): number {
  let count = 0
  for (let at = text.indexOf(NEWLINE); at >= 0; at = text.indexOf(NEWLINE, at + 1)) count++
  return count
}

/**
 * Makes writes to a pipe fail with EAGAIN when it is full. A write that blocks would hold a thread for which Node waits
 * when it exits, for ever where nobody reads the pipe. Touching `process.stdout` has Node make the pipe non-blocking.
 */
function neverBlock(): void {
  try {
    const found = fstatSync(STDOUT)
    if (found.isFIFO() || found.isSocket()) process.stdout.on('error', () => {})
  } catch {
    // It is closed.
  }
}

/** Blocks this thread; only for the moment at which the process exits. @param milliseconds for how long */
function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}
