import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { call } from '../support/client.js'
import { fencesOf } from '../support/markdown.js'
import { root, start, startGateway } from '../support/process.js'

const document = 'CONTRIBUTING.md'

/** A copy of the tree with everything in it that the document adds. */
async function withAdditions(): Promise<string> {
  const tree = mkdtempSync(join(tmpdir(), 'leastwise-'))
  after(() => rmSync(tree, { recursive: true }))
  for (const name of ['src', 'plugins', 'routes', 'test', 'package.json', 'tsconfig.json']) {
    cpSync(join(root, name), join(tree, name), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'))
  // The dashboard's page is a project of its own, to which nothing is added.
  const page = 'dist/src/dashboard/page'
  cpSync(join(root, page), join(tree, page), { recursive: true })
  for (const { language, info, code, line } of fencesOf(document)) {
    const file = join(tree, info)
    if (language === 'ts' && info.includes('/')) writeFileSync(file, code)
    if (language !== 'diff') continue
    const text = readFileSync(file, 'utf8')
    const lines = code.trimEnd().split('\n')
    const before = lines.filter((one) => !one.startsWith('+')).map((one) => one.slice(1))
    const added = lines.filter((one) => !one.startsWith('-')).map((one) => one.slice(1))
    assert.equal(text.split(before.join('\n')).length, 2, `${document}:${line} is in ${info}, once`)
    writeFileSync(
      file,
      text.replace(before.join('\n'), () => added.join('\n')),
    )
  }
  const config = JSON.parse(readFileSync(join(tree, 'tsconfig.json'), 'utf8'))
  // The rest of the tests follows from these.
  config.include = [
    'src',
    'plugins',
    'routes',
    'test/unit/balancer/policies.test.ts',
    'test/unit/balancer/explain.test.ts',
  ]
  Object.assign(config.compilerOptions, { composite: false, declaration: false, sourceMap: false })
  writeFileSync(join(tree, 'tsconfig.json'), JSON.stringify(config))
  const { code, stdout } = await start([join(root, 'node_modules/typescript/bin/tsc'), '--project', tree])
    .ended
  assert.deepEqual([code, stdout], [0, ''])
  return tree
}

test('what the document adds compiles, and does what it says', async (t) => {
  const tree = await withAdditions()

  // The contract suites are told of it by the table alone.
  for (const [suite, count] of Object.entries({ policies: 6, explain: 3 })) {
    const file = join(tree, `dist/test/unit/balancer/${suite}.test.js`)
    const args = ['--test-reporter=tap', '--test-name-pattern=^longest-ago', file]
    const { code, stdout } = await start(args).ended
    assert.equal(code, 0, stdout)
    const passed = stdout.match(/^ok \d+ - longest-ago(?!.*# SKIP)/gm) ?? []
    assert.equal(passed.length, count, stdout)
  }

  const env = { POLICY: 'longest-ago', QUEUE_GRACE: '5', ADMIN_TOKEN: 'token' }
  const gateway = await startGateway(env, [join(tree, 'dist/src/gateway/main.js')])
  t.after(() => gateway.stop('SIGKILL'))
  const headers = { authorization: 'Bearer token' }
  assert.equal((await call(`${gateway.admin}/policy`, { headers })).text, '{"policy":"longest-ago"}')
  assert.match((await call(`${gateway.admin}/uptime`, { headers })).text, /^\{"seconds":\d/)
  assert.equal((await call(`${gateway.admin}/uptime`)).status, 401)
  const { text } = await call(`${gateway.admin}/metrics`, { headers })
  assert.match(text, /^leastwise_pool_idle_backends\{pool="default"\} 0$/m)
  const described = JSON.parse((await call(`${gateway.admin}/openapi.json`)).text)
  assert.equal(described.paths['/uptime'].get.operationId, 'getUptime')

  const wrong = await start([join(tree, 'dist/src/gateway/main.js')], { env: { QUEUE_GRACE: 'x' } }).ended
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /QUEUE_GRACE does not accept "x": it takes .*, 0 for none/)
})
