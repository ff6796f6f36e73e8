import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { run, STOPPED, untilStopped, whole } from '../command.js'
import { idle } from './idle.js'
import { report } from './report.js'

/** Descriptors that a process needs for other things than connections. */
const SPARE_DESCRIPTORS = 100

const usage = `npm run bench -- idle [options]

What idle connections take in memory of the gateway's process: to backends, and of
clients. Each connection to a backend is made by a request, which has a connection
of a client, so the gateway needs two descriptors for each.

  --connections N  to backends, 10 to 100000 (10000)
  --help           this text
`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      connections: { type: 'string', default: '10000' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const wanted = whole('connections', values.connections, 10, 100_000)
  const descriptors = mostDescriptors()
  const connections = Math.min(wanted, Math.floor((descriptors - SPARE_DESCRIPTORS) / 2))
  if (connections < wanted) {
    console.log(
      `A process may have ${descriptors} descriptors here (ulimit -n), so there are ${connections} connections.\n`,
    )
  }
  const signal = untilStopped()
  const result = await idle(connections, signal).catch((error: unknown) => {
    if (signal.aborted) return undefined
    throw error
  })
  if (!result) return STOPPED
  console.log(report(result))
  return 0
}

/** Node raises its limit to the hard one when it starts. */
function mostDescriptors(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1]
  return hard === undefined || hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard)
}

run('idle', main)
