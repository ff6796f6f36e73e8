import { parseArgs } from 'node:util'
import { Presets, SingleBar } from 'cli-progress'
import { run, STOPPED, untilStopped, whole } from '../command.js'

const usage = `node dist/bench/fleet/main.js [--seed N] [--pictures FOLDER] [--help]

Simulates 2 to 50 gateways before the same backends that tell each other late what they have in flight: what each
makes of it, beside counts of its own and beside one exact count. No network, no waiting: time is simulated.

  --seed N           the first of three, 0 to 4000000 (1)
  --pictures FOLDER  writes pictures there, as SVG
  --help             this text
`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      pictures: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const seed = whole('seed', values.seed, 0, 4_000_000)
  const signal = untilStopped()
  // Only what simulates needs the whole core.
  const { playAll } = await import('./fleet.js')
  console.log('Simulating; this takes a minute or two.\n')
  const bar = process.stdout.isTTY
    ? new SingleBar(
        { format: '{bar} {what}', hideCursor: true, clearOnComplete: true },
        Presets.shades_classic,
      )
    : undefined
  try {
    const data = await playAll({
      seed,
      signal,
      onProgress(done, total, what) {
        if (done === 1) bar?.start(total, 0, { what })
        bar?.update(done, { what })
      },
    })
    bar?.stop()
    const { render } = await import('./report.js')
    console.log(render(data))
    if (values.pictures !== undefined) {
      const [{ write }, { pictures }] = await Promise.all([
        import('../plot/write.js'),
        import('./pictures.js'),
      ])
      await write(values.pictures, pictures(data))
    }
    return 0
  } catch (error) {
    bar?.stop()
    if (signal.aborted) return STOPPED
    throw error
  }
}

run('fleet', main)
