import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { errorCodes } from '../../src/admin/contract/error-codes.js'
import { consumer } from '../support/consumer.js'
import { readDocument } from '../support/markdown.js'
import { start } from '../support/process.js'

test('the reference names every error of the admin API', () => {
  const reference = readDocument('docs/reference/admin-api.md')
  for (const code of Object.keys(errorCodes)) assert.ok(reference.includes(`\`${code}\``), code)
})

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
  assert.deepEqual(
    [stdout, stderr],
    [
      'function true least-connections,least-response-time,power-of-two,round-robin,weighted-round-robin\n',
      '',
    ],
  )
})
