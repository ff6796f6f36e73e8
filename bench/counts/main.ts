import { parseArgs } from 'node:util'
import { Presets, SingleBar } from 'cli-progress'
import { run, STOPPED, untilStopped, whole } from '../command.js'

const usage = `node dist/bench/counts/main.js [--seed N] [--requests N] [--pictures FOLDER] [--help]

Simulates what one count of all workers is worth, beside a count of each worker, and beside two random choices:
2 to 32 workers before equal and unequal backends, with few and with many requests per backend and worker.
No network, no waiting: time is simulated.

  --seed N           the first of five, 0 to 4000000000 (1)
  --requests N       of each round, 1000 to 10000000 (30000)
  --pictures FOLDER  writes pictures there, as SVG
  --help             this text
`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      requests: { type: 'string', default: '30000' },
      pictures: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const seed = whole('seed', values.seed, 0, 4_000_000_000)
  const requests = whole('requests', values.requests, 1000, 10_000_000)
  const signal = untilStopped()
  // Only what simulates needs the whole core.
  const { playCounts } = await import('./counts.js')
  console.log('Simulating; this takes about twenty seconds.\n')
  const bar = process.stdout.isTTY
    ? new SingleBar(
        { format: '{bar} {what}', hideCursor: true, clearOnComplete: true },
        Presets.shades_classic,
      )
    : undefined
  try {
    const data = await playCounts({
      seed,
      requests,
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

run('counts', main)
