import { parseArgs } from 'node:util'
import { run, STOPPED, untilStopped } from '../command.js'
import { cost } from './cost.js'
import { kinds as allKinds, type KindName, kindOf, parseKinds } from './kinds.js'
import { ownNode, parseNodes } from './nodes.js'
import { report } from './report.js'

const usage = `npm run bench -- cost [options]

What a proxied request costs each gateway in CPU time, all in one run. Kinds of requests:

${allKinds.map(({ name, about }) => `  ${name.padEnd(10)} ${about}`).join('\n')}

  --kinds KIND,...  these alone (all)
  --node PATH,...   binaries of Node that gateways are run with, too, beside the one
                    that runs this
  --mixed           each process has had requests of every kind before it is measured
                    with one, as it would have in service
  --features        what each feature costs, too, for a GET
  --rate N          requests a second to each gateway, instead of as many as it answers;
                    not for streams
  --rounds N        rounds that count (5)
  --seconds N       of each measurement (0.8)
  --connections N   of the clients (32; 8 for streams)
  --help            this text

All kinds take five minutes; each further Node adds three and a half.
`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      kinds: { type: 'string' },
      node: { type: 'string' },
      mixed: { type: 'boolean', default: false },
      features: { type: 'boolean', default: false },
      rate: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '0.8' },
      connections: { type: 'string', default: '32' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const signal = untilStopped()
  const rate = values.rate === undefined ? undefined : number('rate', values.rate, 100, 100_000)
  const measured = cost({
    kinds: chosenKinds(values.kinds, values.features, rate !== undefined),
    nodes: [ownNode, ...(values.node === undefined ? [] : await parseNodes(values.node))],
    mixed: values.mixed,
    withFeatures: values.features,
    rate,
    rounds: number('rounds', values.rounds, 1, 100),
    duration: 1000 * number('seconds', values.seconds, 0.2, 60),
    connections: number('connections', values.connections, 1, 1000),
    signal,
    onProgress(done, total) {
      if (process.stderr.isTTY) process.stderr.write(`\r${Math.floor((100 * done) / total)} %`)
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

/** A hundred streams a second are more than a core can do. */
function chosenKinds(text: string | undefined, features: boolean, atRate: boolean): KindName[] {
  if (text !== undefined) {
    const chosen = parseKinds(text)
    const stream = atRate && chosen.find((name) => kindOf(name).answer === 'stream')
    if (stream) throw new Error(`--kinds does not accept "${stream}" with --rate: a rate is not for streams`)
    return chosen
  }
  if (features) return ['get']
  return allKinds.filter(({ answer }) => !atRate || answer !== 'stream').map(({ name }) => name)
}

function number(name: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= min && value <= max) return value
  throw new Error(`--${name} does not accept "${text}": it takes a number from ${min} to ${max}`)
}

run('cost', main)
