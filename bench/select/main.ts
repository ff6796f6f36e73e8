import { parseArgs } from 'node:util'
import { Presets, SingleBar } from 'cli-progress'
import { render } from './report.js'
import { select } from './select.js'

const usage = `node dist/bench/select/main.js [--rounds N] [--steps N] [--help]

Measures what a choice costs under every policy, in pools of 3 to 10,000 backends.

  --rounds N  of five measurements, of all of which the median counts, 1 to 1000 (9)
  --steps N   choices in each measurement, 100 to 10000000 (2000)
  --help      this text
`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '9' },
      steps: { type: 'string', default: '2000' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const rounds = whole('rounds', values.rounds, 1, 1000)
  const steps = whole('steps', values.steps, 100, 10_000_000)
  const stopped = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.abort())
  console.log('Measuring choices; this takes about half a minute.\n')
  const bar = process.stdout.isTTY
    ? new SingleBar(
        { format: '{bar} {what}', hideCursor: true, clearOnComplete: true },
        Presets.shades_classic,
      )
    : undefined
  bar?.start(1, 0, { what: 'building pools' })
  try {
    const data = await select({
      rounds,
      steps,
      signal: stopped.signal,
      onProgress(done, total, what) {
        bar?.setTotal(total)
        bar?.update(done, { what })
      },
    })
    bar?.stop()
    console.log(render(data))
    return 0
  } catch (error) {
    bar?.stop()
    if (stopped.signal.aborted) return 130
    throw error
  }
}

function whole(name: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= least && value <= most) return value
  throw new Error(`--${name} does not accept "${text}": it takes a whole number from ${least} to ${most}`)
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(`select: ${(error as Error).message}`)
    process.exit(1)
  },
)
