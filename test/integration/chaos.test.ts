import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { type Gateway, openGateway } from '../support/gateway.js'
import { seeded } from '../support/random.js'
import { RawClient } from '../support/raw.js'
import { ScriptedBackend } from '../support/scripted-backend.js'

const stages: ScriptedBackend[] = []
let gateway: Gateway

before(async () => {
  for (let i = 0; i < 3; i++) stages.push(await new ScriptedBackend().listen())
  gateway = await openGateway(stages, {
    RESPONSE_TIMEOUT: '400',
    BODY_TIMEOUT: '400',
    CONNECT_TIMEOUT: '400',
  })
})
after(async () => {
  await gateway.close()
  for (const stage of stages) await stage.close()
})

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
const post = (path: string, length: number, fields = '') =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\n${fields}Content-Length: ${length}\r\n\r\n`
const upgrade = (path: string) =>
  `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`

/** What backends hold, and what the gateway says they hold. */
const truth = () => stages.map(({ open }) => open)
const counts = () => gateway.balancer.registry.list().map(({ inFlight }) => inFlight)

test('4,000 requests that end in every way there is leave every count at 0, and nothing open on a backend', async () => {
  const random = seeded(Number(process.env.CHAOS_SEED ?? 1))
  const pick = <T>(...choices: T[]) => choices[Math.floor(random() * choices.length)] as T
  const { registry } = gateway.balancer
  const { countInFlight } = registry
  registry.countInFlight = (backend, change) => {
    assert.ok(backend.inFlight >= 0)
    return countInFlight.call(registry, backend, change)
  }
  const paths = [
    'ok',
    'late',
    'big',
    'echo',
    'hints',
    'trailers',
    'early',
    'error',
    'reset',
    'cut',
    'stream',
    'silent',
    'deaf',
  ]
  const path = () => `/${paths[Math.floor(random() * paths.length)]}`

  /** What is said on one connection. */
  const says = (): string => {
    const chunked = 'POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'
    return pick(
      () => get(path()),
      () => get(path()),
      () => get('/ok').replace('GET', 'HEAD'),
      () => `${post(path(), 5)}hello`,
      () => post(path(), 100_000) + 'x'.repeat(Math.floor(random() * 100_000)),
      () => `${chunked}${pick('0\r\n\r\n', '', 'zz\r\n', '0\r\nX-T: 1\r\n\r\n')}`,
      () =>
        `${post(pick('/early', '/ok', '/reset', '/silent'), 5, 'Expect: 100-continue\r\n')}${pick('', 'hello')}`,
      () => upgrade(pick('/', '/', '/refuse')) + pick('', 'hello'),
      () => Array.from({ length: 2 + Math.floor(random() * 30) }, () => get(path())).join(''),
      () => `${get('/late')}${post('/ok', 5)}hello${get('/late')}${upgrade('/')}`,
      () => `${get('/ok')}nonsense\r\n\r\n`,
      () => get(path()).slice(0, 20),
    )()
  }
  const one = async () => {
    const client = new RawClient(gateway.url)
    if (random() < 0.1) client.socket.pause()
    client.send(says())
    // Some are left alone until something ends them, some leave at any moment.
    const leaves = random() < 0.7
    if (leaves) {
      await sleep(Math.floor(random() ** 3 * 60))
      pick(
        () => client.close(),
        () => client.reset(),
        () => client.socket.end(),
      )()
    }
    if (!client.socket.closed) {
      const timer = setTimeout(() => client.reset(), leaves ? 30 : 300)
      await once(client.socket, 'close')
      clearTimeout(timer)
    }
  }
  let left = 4000
  const worker = async () => {
    while (left-- > 0) await one()
  }
  await Promise.all(Array.from({ length: 60 }, worker))
  // On a busy machine what was sent by clients that are gone may be read a while later.
  for (let quiet = 0; quiet < 200; quiet++) {
    await setImmediate()
    if ([...truth(), ...counts()].some((open) => open > 0)) quiet = 0
  }
  assert.deepEqual(counts(), [0, 0, 0])
  assert.deepEqual(gateway.complaints, [])
  const total = stages.reduce((sum, stage) => sum + stage.total, 0)
  assert.ok(total > 1000, `${total} reached a backend`)
})

test('while 30 streams of all kinds come and go, the counts are what the backends hold', async (t) => {
  const own = await openGateway(stages, { BODY_TIMEOUT: '60000' })
  t.after(() => own.close())
  const chunked = 'POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n'
  const openings = [
    get('/stream'),
    `${post('/echo', 100)}half`,
    upgrade('/'),
    get('/stream').repeat(2),
    chunked,
  ]
  const ours = () => own.balancer.registry.list().map(({ inFlight }) => inFlight)
  const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0)
  // What one side knows is on its way to the other for a moment; while nothing changes they are the same.
  const agree = async (expected: number) => {
    while (sum(truth()) !== expected || sum(ours()) !== expected) await setImmediate()
    assert.deepEqual(ours(), truth())
  }
  const clients: RawClient[] = []
  let held = 0
  for (let i = 0; i < 30; i++) {
    clients.push(new RawClient(own.url).send(openings[i % openings.length] as string))
    held += i % openings.length === 3 ? 2 : 1
    await agree(held)
  }
  assert.equal(held, 36)
  for (const [i, client] of clients.entries()) {
    if (i % 3 === 0) client.reset()
    else client.close()
    held -= i % openings.length === 3 ? 2 : 1
    await agree(held)
  }
})
