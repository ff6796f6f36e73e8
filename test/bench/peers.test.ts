import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { findPeers } from '../../bench/peers/find.js'
import type { Peer, Profile } from '../../bench/peers/peer.js'
import { type Failing, HEALTH, RigBackend } from '../../bench/rig/backend.js'

const health = { path: HEALTH, interval: 1000, timeout: 500, fall: 3, rise: 2 }
const { found } = await findPeers()

// Whatever peers leave behind is found here.
const folder = mkdtempSync(join(tmpdir(), 'leastwise-peers-test-'))
process.env.TMPDIR = folder
after(() => rmdirSync(folder))

for (const name of ['nginx', 'HAProxy', 'Caddy']) {
  const peer = found.find((one) => one.name === name)
  for (const profile of ['plain', 'resilient'] as const) {
    const skip = peer ? false : `${name} is not installed`
    test(`${name}, ${profile}: passes a GET on, and never sends a POST twice`, { skip }, async () => {
      await check(peer as Peer, profile)
    })
  }
}

async function check(peer: Peer, profile: Profile): Promise<void> {
  assert.match(peer.version, /^\d+\.\d+/)
  const backends = ['a', 'b'].map((id) => new RigBackend({ id, workers: 4, queue: 4, workOf: () => 1 }))
  for (const backend of backends) await backend.listen()
  try {
    // A fresh one for each: it must not have put the backends aside.
    for (const failing of ['reset', 503] as const) {
      const running = await peer.start({ profile, backends, health })
      try {
        await checkRunning(running.url, backends, failing)
        assert.ok(process.kill(running.pid, 0))
      } finally {
        await running.stop()
      }
      assert.throws(() => process.kill(running.pid, 0), { code: 'ESRCH' })
      assert.deepEqual(readdirSync(folder), [])
    }
  } finally {
    for (const backend of backends) backend.close()
  }
}

async function checkRunning(url: string, backends: RigBackend[], failing: Failing): Promise<void> {
  for (const backend of backends) backend.failing = undefined
  const answer = await fetch(`${url}/some/path`)
  assert.equal(answer.status, 200)
  assert.match(await answer.text(), /^[ab]\n$/)

  for (const backend of backends) backend.failing = failing
  const count = () => backends.reduce((sum, { arrived }) => sum + arrived, 0)
  const before = count()
  assert.notEqual(await post(url), 200)
  assert.equal(count() - before, 1)
}

/** HAProxy closes a connection of a client without an answer where the backend has done the same. */
async function post(url: string): Promise<number | undefined> {
  try {
    const answer = await fetch(url, { method: 'POST', body: 'once' })
    await answer.text()
    return answer.status
  } catch {
    return undefined
  }
}
