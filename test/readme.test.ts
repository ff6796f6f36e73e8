import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { errorCodes } from '../routes/error-codes.js'
import { root, start } from './support/process.js'

const readme = readFileSync(join(root, 'README.md'), 'utf8')

/** A project beside this one that has installed the package. */
async function consumer(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'leastwise-'))
  await mkdir(join(folder, 'node_modules/@types'), { recursive: true })
  await symlink(root, join(folder, 'node_modules/leastwise'))
  for (const name of ['fastify', '@types/node']) {
    await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name))
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  return folder
}

test('the README names every error of the admin API', () => {
  for (const code of Object.keys(errorCodes)) assert.ok(readme.includes(`\`${code}\``), code)
})

test('the TypeScript of the README compiles for a strict user', async (t) => {
  const folder = await consumer()
  t.after(() => rm(folder, { recursive: true }))
  // A snippet without an import goes on where the one before it ended.
  const files: string[] = []
  for (const [, code = ''] of readme.matchAll(/```ts\n(.*?)```/gs)) {
    if (code.includes('import ')) files.push(code)
    else files.push((files.pop() ?? '') + code)
  }
  assert.ok(files.length >= 2)
  for (const [i, code] of files.entries()) writeFileSync(join(folder, `snippet${i}.ts`), code)
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        strict: true,
        exactOptionalPropertyTypes: true,
        noEmit: true,
        target: 'es2023',
        module: 'nodenext',
        types: ['node'],
      },
    }),
  )
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const { code, stdout } = await start([tsc, '--project', folder]).ended
  assert.deepEqual([code, stdout], [0, ''])
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
