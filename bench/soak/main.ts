import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { fork } from '../../test/support/children.js'
import { seeded } from '../../test/support/random.js'
import { RawClient } from '../../test/support/raw.js'
import { ScriptedBackend } from '../../test/support/scripted-backend.js'
import { run, whole as wholeNumber } from '../command.js'
import type { Holdings } from './gateway.js'

const usage = `npm run soak -- [--requests N] [--help]

Sends requests that end in all the ways there are through a gateway, and looks six
times at what it is left with: heap, requests in flight, handles. Exits with 1 if
any of these grew. Takes about two minutes.

  --requests N  how many, 6000 to 100000000 (200000)
  --help        this text
`

const CONNECTIONS = 40
/** Looks at the gateway this often in the course of it; the first look is when it is warm. */
const LOOKS = 6
/** Bytes of heap that may come and go between two looks. */
const NOISE = 3 * 1024 * 1024
const QUIET = { KEEP_ALIVE_TIMEOUT: '500', RESPONSE_TIMEOUT: '500', BODY_TIMEOUT: '500' }

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
const whole = [
  get('/ok'),
  get('/hints'),
  get('/trailers'),
  get('/big'),
  'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
  'PUT /ok HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n',
  get('/ok').repeat(5),
  get('/error'),
]
const broken = [
  get('/cut'),
  get('/reset'),
  get('/silent'),
  get('/stream'),
  'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\nhalf',
  'POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\nhalf',
  'GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello',
  'GET /refuse HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n',
  get('/ok').repeat(3),
  'nonsense\r\n\r\n',
]

/** Requests that end in many ways, and what the gateway is left with. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      requests: { type: 'string', default: '200000' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const each = Math.round(wholeNumber('requests', values.requests, 6000, 100_000_000) / LOOKS)
  const stages = [
    await new ScriptedBackend().listen(),
    await new ScriptedBackend().listen(),
    await new ScriptedBackend().listen(),
  ]
  const child = fork(fileURLToPath(new URL('gateway.js', import.meta.url)), {
    execArgv: ['--expose-gc'],
    env: { PATH: process.env.PATH, BACKENDS: stages.map(({ url }) => url).join(), ...QUIET },
  })
  const [url] = (await once(child, 'message')) as [string]
  const table = new Table({
    head: ['requests', 'heap MB', 'in flight', 'handles'],
    style: { head: [], border: [] },
  })
  const looks: Holdings[] = []
  const random = seeded(1)
  for (let i = 0; i < LOOKS; i++) {
    const done = await load(url, each, random)
    const holdings = await look(child)
    looks.push(holdings)
    table.push([
      stages.reduce((sum, { total }) => sum + total, 0),
      (holdings.heap / 1024 / 1024).toFixed(1),
      holdings.inFlight,
      JSON.stringify(holdings.resources),
    ])
    process.stderr.write(`${done} of ${each} sent, look ${i + 1} of ${LOOKS}\n`)
  }
  child.disconnect()
  for (const stage of stages) await stage.close()
  process.stdout.write(`${table}\n`)
  const faults = faultsIn(looks)
  process.stdout.write(faults.length > 0 ? `${faults.join('\n')}\n` : 'No growth.\n')
  return faults.length > 0 ? 1 : 0
}

function faultsIn(looks: Holdings[]): string[] {
  const [first, last] = [looks[0] as Holdings, looks.at(-1) as Holdings]
  const faults: string[] = []
  const growing = looks.every(({ heap }, i) => i === 0 || heap > (looks[i - 1] as Holdings).heap)
  if (last.heap > first.heap + NOISE || (growing && last.heap > first.heap + NOISE / 2))
    faults.push('The heap grew.')
  if (looks.some(({ inFlight }) => inFlight !== 0)) faults.push('A count was left.')
  const handles = ({ resources }: Holdings) => Object.values(resources).reduce((sum, count) => sum + count, 0)
  if (handles(last) > handles(first) + 3) faults.push('Handles were left.')
  return faults
}

/** Sends about `total` requests; resolves to how many. */
async function load(url: string, total: number, random: () => number): Promise<number> {
  let sent = 0
  const worker = async () => {
    while (sent < total) {
      const client = new RawClient(url)
      // Most connections are good for many requests.
      for (let i = 0; i < 40 && sent < total && !client.socket.closed; i++) {
        const text = whole[Math.floor(random() * whole.length)] as string
        const answers = text.split(' HTTP/1.1').length - 1
        sent += answers
        client.text = ''
        await client
          .send(text)
          .until(new RegExp(`(HTTP/1\\.1 [2-5]\\d\\d[\\s\\S]*?(\\r\\n\\r\\n)[\\s\\S]*){${answers}}`))
        await quiet(client)
      }
      sent++
      client.send(broken[Math.floor(random() * broken.length)] as string)
      await sleep(random() * 5)
      if (random() < 0.5) client.reset()
      else client.close()
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, worker))
  return sent
}

/** Resolves once nothing more is coming. */
async function quiet(client: RawClient): Promise<void> {
  for (let before = -1; client.text.length !== before; ) {
    before = client.text.length
    await new Promise(setImmediate)
  }
}

/** What the gateway holds once its timeouts are over. */
async function look(child: ChildProcess): Promise<Holdings> {
  await sleep(6000)
  child.send('look')
  return ((await once(child, 'message')) as [Holdings])[0]
}

run('soak', main)
