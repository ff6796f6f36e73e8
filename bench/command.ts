/** Exit code of a command that was told to stop. */
export const STOPPED = 130

/** Aborted when the process is told to stop. */
export function untilStopped(): AbortSignal {
  const stopped = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopped.abort())
  return stopped.signal
}

/** Runs a command: its exit code is the process's, and its error one line. @param name of the command */
export function run(name: string, main: () => Promise<number>): void {
  main().then(
    (code) => process.exit(code),
    (error: unknown) => {
      console.error(`${name}: ${reason(error as NodeJS.ErrnoException)}`)
      process.exit(1)
    },
  )
}

/** Of wrong usage the first sentence, which names what is wrong; the others are on Node's rules. */
function reason({ code, message }: NodeJS.ErrnoException): string {
  return code?.startsWith('ERR_PARSE_ARGS') ? `${message.split('. ')[0]}; see --help` : message
}

/** The value of a numeric option. @throws {Error} that names option, value and what is accepted */
export function whole(name: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= least && value <= most) return value
  throw new Error(`--${name} does not accept "${text}": it takes a whole number from ${least} to ${most}`)
}
