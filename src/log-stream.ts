import { type DestinationStream, pino } from 'pino'

/** Letters after which lines are written without waiting for more. */
const PLENTY = 16 * 1024

/**
 * Standard output for log lines. What is logged in one turn of the event loop goes out in one write: the busier the
 * process, the more lines share one, and on an idle one none waits. (A write for each line costs more than all else
 * that is done for it.) Nothing is lost when the process ends, short of SIGKILL.
 */
export function logStream(): DestinationStream & { flushSync(): void } {
  const stdout = pino.destination(1)
  let lines = ''
  let scheduled = false
  const flush = () => {
    scheduled = false
    if (lines === '') return
    const text = lines
    lines = ''
    stdout.write(text)
  }
  process.on('exit', flush)
  return {
    write(line) {
      lines += line
      if (lines.length >= PLENTY) flush()
      else if (!scheduled) setImmediate(flush)
      scheduled = true
    },
    // For what is logged as fatal.
    flushSync: flush,
  }
}
