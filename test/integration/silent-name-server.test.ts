import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { answering } from '../support/backend.js'
import { call, callJson } from '../support/client.js'
import { root, startGateway } from '../support/process.js'

const SERVER = '127.0.0.77'

/** A name server that says 127.0.0.1 of names that do not begin with "silent", of which it says nothing at all. */
async function nameServer() {
  const socket = createSocket('udp4')
  socket.on('message', (query, from) => {
    const end = query.indexOf(0, 12) + 5
    const type = query.readUInt16BE(end - 4)
    if (query.toString('latin1', 13, 19) === 'silent') return
    const head = Buffer.from(query.subarray(0, end))
    head.writeUInt16BE(0x8180, 2)
    head.writeUInt16BE(type === 1 ? 1 : 0, 6)
    head.writeUInt16BE(0, 10)
    const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1])
    socket.send(type === 1 ? Buffer.concat([head, answer]) : head, from.port, from.address)
  })
  return new Promise<typeof socket | undefined>((resolve) => {
    socket.once('error', () => resolve(undefined))
    socket.bind(53, SERVER, () => resolve(socket))
  })
}

const unable = spawnSync('unshare', ['-rm', 'true']).status !== 0 && 'there is no unshare'

test('four names whose servers are silent stop neither a fifth nor the file system', {
  skip: unable,
}, async (t) => {
  const names = await nameServer()
  if (!names) return t.skip('port 53 is not to be had')
  t.after(() => names.close())
  const backend = await answering()
  t.after(() => backend.close())
  const folder = mkdtempSync(join(tmpdir(), 'leastwise-'))
  const resolvConf = join(folder, 'resolv.conf')
  writeFileSync(resolvConf, `nameserver ${SERVER}\noptions timeout:30 attempts:5\n`)
  const hosts = ['silent1', 'silent2', 'silent3', 'silent4', 'good']
  const gateway = await startGateway(
    {
      BACKENDS: hosts.map((host) => `http://${host}.example:${backend.port};id=${host}`).join(),
      STATE_FILE: join(folder, 'state.json'),
      HEALTH_PATH: '/',
      HEALTH_INTERVAL: '50',
    },
    [join(root, 'dist/src/gateway/main.js')],
    undefined,
    [
      'unshare',
      '-rm',
      'sh',
      '-c',
      `mount --bind ${resolvConf} /etc/resolv.conf && exec "$0" "$@"`,
      process.execPath,
    ],
  )
  t.after(() => gateway.stop('SIGKILL'))
  await gateway.line(
    ({ event, backend, health }) => event === 'health' && backend === 'good' && health === 'healthy',
  )
  for (const method of ['GET', 'POST'] as const)
    assert.equal((await call(gateway.url, { method })).status, 200)
  const drained = await callJson('POST', `${gateway.admin}/backends/silent1/drain`, {})
  assert.equal(drained.status, 202)
  const { json } = await callJson('GET', `${gateway.admin}/backends`)
  assert.deepEqual(
    json.backends.map(({ failed }: { failed: number }) => failed),
    [0, 0, 0, 0, 0],
  )
})
