import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { start } from '../support/process.js'

const endless = fileURLToPath(new URL('../support/endless.js', import.meta.url))

/** Runs the file whose test never ends, and waits until all its children are there. */
async function running(t: TestContext, ...options: string[]) {
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const { process: child, ended } = start([...options, endless], { env: { TELL: String(port) } })
  t.after(() => child.kill('SIGKILL'))
  const [socket] = (await once(server, 'connection')) as [Socket]
  const [text] = await once(socket.setEncoding('latin1'), 'data')
  const [url, pid] = String(text).split('\n') as [string, string]
  const gateway = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {})
  await once(gateway, 'connect')
  // A killed process may reset its connections, and `once` would take that for a failure.
  const gone = new Promise((resolve) => gateway.once('close', resolve))
  // All that was started has standard error of its parent, which ends when the last of them does.
  return { child, ended, pid: Number(pid), gateway, gone }
}

test('a file that is killed leaves no child', async (t) => {
  const { child, ended, gone } = await running(t)
  child.kill('SIGKILL')
  await gone
  assert.equal((await ended).code, null)
})

test('a runner that is killed leaves no file and no child', async (t) => {
  const { child, gone, ended } = await running(t, '--test')
  child.kill('SIGKILL')
  await gone
  assert.equal((await ended).code, null)
})

// SIGTERM is what a runner cuts a file with at its time.
for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`a runner whose file ends by ${signal} comes to its end`, async (t) => {
    const { pid, gone, ended } = await running(t, '--test')
    process.kill(pid, signal)
    await gone
    assert.equal((await ended).code, 1)
  })
}
