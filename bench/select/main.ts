import { parseArgs } from 'node:util'
import { Presets, SingleBar } from 'cli-progress'
import { run, STOPPED, untilStopped, whole } from '../command.js'
import { render } from './report.js'
import { select } from './select.js'

const usage = `node dist/bench/select/main.js [--rounds N] [--steps N] [--help]

Measures what a choice costs under every policy, in pools of 3 to 10,000 backends, and what a request costs
while a thousand others wait, or a thousand backends have just joined.

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
  const signal = untilStopped()
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
      signal,
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
    if (signal.aborted) return STOPPED
    throw error
  }
}

run('select', main)
