import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { TestBackend } from '../support/backend.js'
import { call } from '../support/client.js'
import { type Gateway, openGateway } from '../support/gateway.js'
import { RawBackend, RawClient, type Script } from '../support/raw.js'

const HEAD = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const post = (length: number) => `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`

async function pair(
  t: TestContext,
  script: Script,
  env: Record<string, string>,
): Promise<[RawBackend, Gateway]> {
  const backend = await new RawBackend(script).listen()
  const gateway = await openGateway([backend], env)
  t.after(async () => {
    await gateway.close()
    await backend.close()
  })
  return [backend, gateway]
}

const failed = (gateway: Gateway) => gateway.backend().leases.failed

/** Something every 50 ms, `count` times: often enough for a timeout of 500 ms on a machine that is busy. */
function trickle(count: number, each: (i: number) => void, end: () => void): void {
  let i = 0
  const timer = setInterval(() => {
    if (i < count) return each(i++)
    clearInterval(timer)
    end()
  }, 50)
}

test('RESPONSE_TIMEOUT counts from the end of the request, and is 504', async (t) => {
  const [backend, gateway] = await pair(t, () => {}, { RESPONSE_TIMEOUT: '150', BODY_TIMEOUT: '10000' })
  for (const text of [get, `${post(2)}hi`]) {
    const client = new RawClient(gateway.url).send(text)
    assert.match(await client.until('}'), /^HTTP\/1\.1 504 [\s\S]*LEASTWISE_GATEWAY_TIMEOUT/)
    client.close()
  }
  await backend.until(({ sockets }) => sockets.size === 0)
  await gateway.settled()
  assert.deepEqual([gateway.balancer.registry.inFlight, failed(gateway)], [0, 2])
  // An upload that takes longer than that is not the backend's silence.
  const slow = new RawClient(gateway.url).send(post(10))
  await new Promise<void>((resolve) => trickle(9, () => slow.send('x'), resolve))
  assert.equal(slow.text, '')
  slow.send('x')
  assert.match(await slow.until('}'), /^HTTP\/1\.1 504 /)
  slow.close()
})

test('BODY_TIMEOUT cuts a response that stops, and never one that goes on', async (t) => {
  const [backend, gateway] = await pair(
    t,
    (socket, request) => {
      socket.write(HEAD)
      if (request.startsWith('GET /stops')) socket.write('4\r\nhalf\r\n')
      else
        trickle(
          12,
          (i) => socket.write(`1\r\n${i % 10}\r\n`),
          () => socket.write('0\r\n\r\n'),
        )
    },
    { BODY_TIMEOUT: '500', RESPONSE_TIMEOUT: '500' },
  )
  const [going, stopping] = await Promise.allSettled([call(gateway.url), call(`${gateway.url}/stops`)])
  assert.equal(going.status === 'fulfilled' && going.value.text, '012345678901')
  assert.equal(stopping.status, 'rejected')
  await gateway.settled()
  assert.equal(failed(gateway), 0, 'it had answered well')
  await backend.until(({ sockets }) => sockets.size <= 1)
})

test('a client that stops in mid-upload gets 408 after BODY_TIMEOUT, and its lease is not the backend’s failure', async (t) => {
  const [backend, gateway] = await pair(t, () => {}, { BODY_TIMEOUT: '200' })
  for (const text of [
    `${post(10)}half`,
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
  ]) {
    const client = new RawClient(gateway.url).send(text)
    await backend.until(({ unfinished }) => unfinished.includes('half'))
    assert.equal(gateway.balancer.registry.inFlight, 1)
    assert.match(await client.untilClosed(), /^HTTP\/1\.1 408 [\s\S]*LEASTWISE_REQUEST_TIMEOUT/)
    await backend.until(({ sockets }) => sockets.size === 0)
    await gateway.settled()
    assert.deepEqual([gateway.balancer.registry.inFlight, failed(gateway)], [0, 0])
    backend.unfinished = ''
  }
})

test('an upload that goes on slowly is not cut, nor one that the backend answers while it goes on', async (t) => {
  const echo = await new TestBackend((request, response) => {
    response.writeHead(200)
    request.pipe(response)
  }).listen()
  const gateway = await openGateway([echo], { BODY_TIMEOUT: '500', RESPONSE_TIMEOUT: '500' })
  t.after(async () => {
    await gateway.close()
    await echo.close()
  })
  const client = new RawClient(gateway.url).send(post(12))
  await new Promise<void>((resolve) => trickle(12, (i) => client.send(String(i % 10)), resolve))
  await client.until(/0\r\n\r\n$/)
  assert.equal(
    client.text
      .split('\r\n\r\n')
      .slice(1)
      .join('')
      .replace(/\r\n1\r\n|^1\r\n|\r\n0$/g, ''),
    '012345678901',
  )
  client.close()
})

test('a client that does not read is cut after BODY_TIMEOUT, also when the backend is done with it', async (t) => {
  const [backend, gateway] = await pair(
    t,
    (socket, request) => {
      const size = Number(request.split(/[/ ]/)[2])
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
      socket.write(Buffer.alloc(size))
    },
    { BODY_TIMEOUT: '300' },
  )
  const client = new RawClient(gateway.url)
  client.socket.removeAllListeners('data')
  client.send('GET /64000000 HTTP/1.1\r\nHost: a\r\n\r\n')
  await backend.until(({ requests }) => requests.length === 1)
  client.socket.pause()
  await backend.until(({ sockets }) => sockets.size === 0)
  await gateway.settled()
  assert.deepEqual([gateway.balancer.registry.inFlight, failed(gateway)], [0, 0])
  client.close()
})

test('a backend that does not take the request is 504 after BODY_TIMEOUT', async (t) => {
  const [backend, gateway] = await pair(t, () => {}, { BODY_TIMEOUT: '300', RETRIES: '0' })
  const size = 64_000_000
  const client = new RawClient(gateway.url).send(post(size))
  await backend.until(({ sockets }) => sockets.size === 1)
  for (const socket of backend.sockets) socket.pause()
  client.socket.write(Buffer.alloc(size))
  assert.match(await client.until('}'), /^HTTP\/1\.1 504 [\s\S]*did not take the request/)
  assert.deepEqual([gateway.balancer.registry.inFlight, failed(gateway)], [0, 1])
  client.close()
})
