import { parseArgs } from 'node:util'
import { run, whole } from '../../bench/command.js'
import { runOnWire } from './connections.js'
import { differences } from './differences.js'
import { type Met, runCase } from './fuzz.js'
import { Wire } from './wire.js'

const usage = `npm run fuzz -- [--cases N] [--seed N] [--help]

Plays random responses, valid and broken, in random cuts to the parser of backends'
responses and to Node's own client, and compares what the two say. Stops with exit
code 1 at the first difference that test/fuzz/differences.ts does not allow, and
shows the seed and the bytes. One case in ten is played on real connections, too,
which must say what the parser says. Takes about 40 s for 100,000 cases.

  --cases N  how many, 1 to 1000000000 (100000)
  --seed N   of the first case; each further case has the next one (0)
  --help     this text
`

/** One in so many cases is played on a connection, too. */
const CASES_PER_WIRE = 10
const MOST = 1_000_000_000

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { cases: { type: 'string' }, seed: { type: 'string' }, help: { type: 'boolean' } },
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const cases = whole('--cases', values.cases ?? '100000', 1, MOST)
  const seed = whole('--seed', values.seed ?? '0', 0, MOST)
  const met: Met = new Map()
  const wire = await Wire.open()
  let isKept = false
  for (let i = 0; i < cases; i++) {
    await runCase(seed + i, met)
    if (i % CASES_PER_WIRE === 0) isKept = await runOnWire(wire, seed + i, isKept)
  }
  wire.close()
  console.log(`${cases} cases; allowed differences:`)
  for (const { name } of differences) console.log(`${String(met.get(name) ?? 0).padStart(9)}  ${name}`)
  return 0
}

run('fuzz', main)
