import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { spawn } from '../test/support/children.js'
import { run, STOPPED } from './command.js'
import { machine } from './machine.js'
import { findPeers } from './peers/find.js'

/** In this order: what is soon there comes first, and nothing runs beside what is being measured. */
const parts: Record<string, { about: string; draws: boolean }> = {
  select: { about: 'what a choice costs, by policy and size of the pool', draws: false },
  match: { about: 'what it costs to find the route of a request, among 10,000', draws: false },
  simulate: { about: 'every policy in simulated pools, and beside published figures', draws: true },
  counts: { about: 'what one count of all workers is worth, simulated', draws: true },
  fleet: { about: "what gateways make of each other's counts, simulated", draws: true },
  cost: { about: 'CPU time of a proxied request, beside others', draws: false },
  cores: { about: 'CPU time of a request with several workers, beside one', draws: false },
  exchange: { about: 'CPU time of hearing what other gateways have in flight', draws: false },
  idle: { about: 'memory of idle connections', draws: false },
  spike: { about: 'latency and errors while backends misbehave, beside others', draws: true },
}

const usage = `npm run bench -- [PART ...] [--pictures FOLDER] [--help]
npm run bench -- PART OPTIONS

Measures leastwise and, in the same run, nginx, HAProxy and Caddy where they are installed.
Without a part all of them, one after the other, which takes about twelve minutes:

${Object.entries(parts)
  .map(([name, { about }]) => `  ${name.padEnd(9)} ${about}`)
  .join('\n')}

  --pictures FOLDER  writes pictures there, as SVG
  --help             this text

Each part has options of its own: npm run bench -- PART --help
`

async function main(): Promise<number> {
  const [part = '', ...options] = process.argv.slice(2)
  // Options after one part are that part's.
  const alone = Object.hasOwn(parts, part) && options[0]?.startsWith('--')
  if (alone && options.includes('--help')) return runPart(part, options)
  const { values, positionals } = parseArgs({
    ...(alone && { args: [part] }),
    allowPositionals: true,
    options: { pictures: { type: 'string' }, help: { type: 'boolean', default: false } },
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const unknown = positionals.find((name) => !Object.hasOwn(parts, name))
  if (unknown !== undefined) {
    throw new Error(`there is no part "${unknown}"; there are ${Object.keys(parts).join(', ')}`)
  }
  const { found, missing } = await findPeers()
  console.log(machine())
  console.log(`beside ${found.map(({ name, version }) => `${name} ${version}`).join(', ') || 'nobody'}`)
  if (missing.length > 0) console.log(`not installed, and left out: ${missing.join(', ')}`)

  let worst = 0
  for (const name of Object.keys(parts).filter(
    (part) => positionals.length === 0 || positionals.includes(part),
  )) {
    const folder = parts[name]?.draws ? values.pictures : undefined
    console.log(`\n# ${name}\n`)
    const drawing = folder === undefined ? [] : ['--pictures', folder]
    const code = await runPart(name, alone ? options : drawing)
    // What one could not do is no reason not to do the next; a signal is.
    if (code === STOPPED) return code
    worst = Math.max(worst, code)
  }
  return worst
}

/** Runs one part as a process of its own, so that none of them warms or litters what the next one measures. */
async function runPart(part: string, args: string[]): Promise<number> {
  const path = fileURLToPath(new URL(`./${part}/main.js`, import.meta.url))
  const child = spawn(process.execPath, [path, ...args], { stdio: 'inherit' })
  // From a terminal it has come to both already.
  const pass = (signal: NodeJS.Signals) => process.stdin.isTTY || child.kill(signal)
  process.on('SIGINT', pass)
  process.on('SIGTERM', pass)
  const [code] = (await once(child, 'exit')) as [number | null]
  process.off('SIGINT', pass)
  process.off('SIGTERM', pass)
  return code ?? STOPPED
}

run('bench', main)
