import { write, writeSync } from 'node:fs'
import type { DestinationStream } from 'pino'

const STDOUT = 1
/** Letters after which lines are written without waiting for more. */
const PLENTY = 16 * 1024
/** Letters that may wait for a reader who does not read; lines beyond that are dropped. */
const MOST = 32 * 1024 * 1024
/** Milliseconds that a line may wait for others. */
const SOON = 20

/**
 * Standard output for log lines, several in one write: a write for each costs more than all else that is done for a
 * line. Writes do not block, and where they fail, as on a full disk, the lines are lost and the process is not. (pino's
 * own destination waits for room on a full disk when the process exits, for ever.) Otherwise nothing is lost on exit,
 * unless the process is not told: SIGKILL, abort, out of memory.
 */
export function logStream(): DestinationStream & { flushSync(): void } {
  let lines = ''
  let writing = false
  let timer: NodeJS.Timeout | undefined

  const take = () => {
    clearTimeout(timer)
    timer = undefined
    const chunk = Buffer.from(lines)
    lines = ''
    return chunk
  }
  const send = (chunk: Buffer) => {
    write(STDOUT, chunk, (error, written) => {
      const rest = chunk.subarray(written)
      if (error?.code === 'EAGAIN') setTimeout(send, SOON, chunk)
      else if (!error && rest.length > 0) send(rest)
      else {
        writing = false
        if (lines !== '') flush()
      }
    })
  }
  const flush = () => {
    if (writing) return
    writing = true
    send(take())
  }
  const flushSync = () => {
    // The write that is under way is done in another thread, which is given the time for it.
    if (writing) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SOON)
    try {
      for (let rest = take(); rest.length > 0; ) rest = rest.subarray(writeSync(STDOUT, rest))
    } catch {
      // Nobody reads it, or there is no room for it, and nobody to tell.
    }
  }
  process.on('exit', flushSync)
  return {
    write(line) {
      if (lines.length + line.length > MOST) return
      lines += line
      if (lines.length >= PLENTY) flush()
      else timer ??= setTimeout(flush, SOON)
    },
    // For what is logged as fatal.
    flushSync,
  }
}
