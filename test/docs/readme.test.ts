import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { policyNames } from '../../src/balancer/index.js'
import { consumer } from '../support/consumer.js'
import { start } from '../support/process.js'

test('both entry points load by name, and the core does without Fastify', async (t) => {
  const folder = await consumer()
  t.after(() => rm(folder, { recursive: true }))
  await rm(join(folder, 'node_modules/fastify'))
  const script = join(folder, 'both.js')
  writeFileSync(
    script,
    `import leastwise, { Balancer } from 'leastwise'
     import * as core from 'leastwise/balancer'
     console.log(typeof leastwise, core.Balancer === Balancer, core.policyNames.join())`,
  )
  const { stdout, stderr } = await start([script]).ended
  assert.deepEqual([stdout, stderr], [`function true ${policyNames.join()}\n`, ''])
})
