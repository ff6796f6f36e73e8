import { type DestinationStream, pino } from 'pino'

/** Letters after which lines are written without waiting for more. */
const PLENTY = 16 * 1024
/** Milliseconds that a line may wait for others. */
const SOON = 20

/**
 * Standard output for log lines, several in one write: a write for each costs more than all else that is done for a
 * line. Nothing is lost when the process ends, short of SIGKILL.
 */
export function logStream(): DestinationStream & { flushSync(): void } {
  const stdout = pino.destination(1)
  let lines = ''
  let timer: NodeJS.Timeout | undefined
  const flush = () => {
    clearTimeout(timer)
    timer = undefined
    const text = lines
    lines = ''
    if (text !== '') stdout.write(text)
  }
  process.on('exit', flush)
  return {
    write(line) {
      lines += line
      if (lines.length >= PLENTY) flush()
      else timer ??= setTimeout(flush, SOON)
    },
    // For what is logged as fatal.
    flushSync: flush,
  }
}
