import { parseArgs } from 'node:util'
import { run, STOPPED, untilStopped } from '../command.js'
import { cost } from './cost.js'
import { report } from './report.js'

const usage = `node dist/bench/cost/main.js [options]

What one proxied GET of 1 KB costs each gateway in CPU time, all in one run.

  --features       what each feature costs, too
  --rate N         requests a second to each gateway, instead of as many as it answers
  --rounds N       rounds that count (5)
  --seconds N      of each measurement (1.5)
  --connections N  of the clients (32)
  --help           this text
`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      features: { type: 'boolean', default: false },
      rate: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '1.5' },
      connections: { type: 'string', default: '32' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const signal = untilStopped()
  const measured = cost({
    withFeatures: values.features,
    rate: values.rate === undefined ? undefined : number('rate', values.rate, 100, 100_000),
    rounds: number('rounds', values.rounds, 1, 100),
    duration: 1000 * number('seconds', values.seconds, 0.2, 60),
    connections: number('connections', values.connections, 1, 1000),
    signal,
    onProgress(done, total) {
      if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${total} measurements`)
    },
  })
  const result = await measured.catch((error: unknown) => {
    if (signal.aborted) return undefined
    throw error
  })
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  if (!result) return STOPPED
  console.log(report(result))
  return 0
}

function number(name: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= min && value <= max) return value
  throw new Error(`--${name} does not accept "${text}": it takes a number from ${min} to ${max}`)
}

run('cost', main)
