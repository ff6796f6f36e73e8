import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { openGateway } from '../support/gateway.js'
import { seeded } from '../support/random.js'
import { RawClient } from '../support/raw.js'
import { ScriptedBackend } from '../support/scripted-backend.js'

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
const post = (path: string, length: number, fields = '') =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\n${fields}Content-Length: ${length}\r\n\r\n`
const upgrade = (path: string) =>
  `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`

/** Sends so many requests that end in every way there is; another seed, others in another order. */
export function chaos({ requests, seed }: { requests: number; seed: number }): void {
  const title = `${requests} requests that end in every way there is leave every count at 0, and nothing open on a backend`
  test(`${title}: seed ${seed}`, (t) => rush(t, requests, seed))
}

async function rush(t: TestContext, requests: number, seed: number): Promise<void> {
  const random = seeded(seed)
  const backends = await Promise.all([1, 2, 3].map(() => new ScriptedBackend().listen()))
  const gateway = await openGateway(backends, {
    RESPONSE_TIMEOUT: '400',
    BODY_TIMEOUT: '400',
    CONNECT_TIMEOUT: '400',
  })
  t.after(async () => {
    await gateway.close()
    for (const backend of backends) await backend.close()
  })
  const truth = () => backends.map(({ open }) => open)
  const counts = () => gateway.balancer.registry.list().map(({ inFlight }) => inFlight)
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
  const reached = () => backends.reduce((sum, backend) => sum + backend.total, 0)
  let left = requests
  const worker = async () => {
    // On a busy machine more of them leave before they reach a backend.
    while (left-- > 0 || reached() <= requests / 4) await one()
  }
  await Promise.all(Array.from({ length: 60 }, worker))
  // On a busy machine what was sent by clients that are gone may be read a while later.
  for (let quiet = 0; quiet < 200; quiet++) {
    await setImmediate()
    if ([...truth(), ...counts()].some((open) => open > 0)) quiet = 0
  }
  assert.deepEqual(counts(), [0, 0, 0])
  assert.deepEqual(gateway.complaints, [])
  assert.ok(reached() > requests / 4, `${reached()} reached a backend`)
}
