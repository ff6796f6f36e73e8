import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { run, STOPPED, untilStopped, whole } from '../command.js'

const usage = `node dist/bench/spike/main.js [--seconds N] [--scenarios A,B] [--contenders "A;B"]
            [--json FILE] [--pictures FOLDER]

Sends the same load through leastwise and the peers that are installed (nginx, HAProxy,
Caddy) while backends misbehave, and prints what clients met.

  --seconds N       measured time of each scenario, 4 to 120 (24)
  --scenarios A,B   only these
  --contenders A;B  only these
  --json FILE       write all that was measured, the course over time included
  --pictures FOLDER writes pictures there, as SVG
  --help            this text
`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '24' },
      scenarios: { type: 'string' },
      contenders: { type: 'string' },
      json: { type: 'string' },
      pictures: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const seconds = whole('seconds', values.seconds, 4, 120)
  const signal = untilStopped()
  // Only what measures needs the whole product.
  const { spike } = await import('./spike.js')
  try {
    let scenario = ''
    const result = await spike({
      seconds,
      scenarios: values.scenarios?.split(','),
      contenders: values.contenders?.split(';').map((name) => name.trim()),
      signal,
      onProgress(progress) {
        if (progress.scenario === scenario) return
        scenario = progress.scenario
        console.error(`${progress.number} of ${progress.count}: ${scenario}`)
      },
    })
    if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(result))
    const { render } = await import('./report.js')
    console.log(render(result))
    if (values.pictures !== undefined) {
      const [{ write }, { pictures }] = await Promise.all([
        import('../plot/write.js'),
        import('./pictures.js'),
      ])
      await write(values.pictures, pictures(result))
    }
    return 0
  } catch (error) {
    if (signal.aborted) return STOPPED
    throw error
  }
}

run('spike', main)
