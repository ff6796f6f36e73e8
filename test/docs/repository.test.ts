import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { root } from '../support/process.js'

const read = (path: string) => readFileSync(join(root, path), 'utf8')

const workflow = parse(read('.github/workflows/ci.yml'))
const build = read('.ci/run')
const { engines } = JSON.parse(read('package.json'))

/** The steps of all jobs of the workflow. */
const steps: { run?: string; uses?: string }[] = Object.values<{ steps: [] }>(workflow.jobs).flatMap(
  (job) => job.steps,
)

/** What is called of npm, except for other programs that are installed by it. */
const npmCommands = (text: string) =>
  new Set(text.match(/^npm (?!install).*$/gm)?.map((command) => command.trim()))

test('the public workflow runs the commands of .ci/run', () => {
  const commands = npmCommands(steps.map(({ run }) => run ?? '').join('\n'))
  assert.deepEqual(commands, npmCommands(build))
  assert.ok(commands.has('npm test'))
})

test('the public workflow installs the programs that .ci/run installs, but for the browser, which is there', () => {
  const [, wanted = ''] = build.match(/^for program in ([\w -]+);/m) ?? []
  const install = steps.find(({ run }) => run?.includes('apt-get install'))?.run ?? ''
  assert.deepEqual(install.split('--no-install-recommends ')[1]?.split(' '), wanted.split(' '))
})

test('the public workflow runs on every release line of Node from the oldest that is supported', () => {
  const { node } = workflow.jobs.test.strategy.matrix
  assert.deepEqual(node, [20, 22, 24, 26])
  assert.equal(engines.node.match(/^>=(\d+)/)[1], String(node[0]))
  const [developed = ''] = read('.node-version').split('.')
  assert.ok(node.includes(Number(developed)))
  assert.match(JSON.parse(read('.devcontainer/devcontainer.json')).image, new RegExp(`:${developed}$`))
})

const permissions: Record<string, object> = {
  'ci.yml': { contents: 'read' },
  'release.yml': { contents: 'read', 'id-token': 'write' },
}

for (const name of readdirSync(join(root, '.github/workflows'))) {
  test(`the workflow ${name} may do no more than it has to, and names a version of each action`, () => {
    const { permissions: granted, jobs } = parse(read(`.github/workflows/${name}`))
    assert.deepEqual(granted, permissions[name])
    for (const job of Object.values<{ permissions?: unknown; steps: { uses?: string }[] }>(jobs)) {
      assert.equal(job.permissions, undefined)
      const actions = job.steps.flatMap(({ uses }) => uses ?? [])
      assert.ok(actions.length > 0)
      for (const action of actions) assert.match(action, /^[\w-]+\/[\w-]+@(v\d+|[\da-f]{40})$/)
    }
  })
}

test('publishing is refused in one line while the repository is not known', () => {
  const folder = mkdtempSync(join(tmpdir(), 'leastwise-'))
  const { scripts } = JSON.parse(read('package.json'))
  for (const [described, status] of [
    [{}, 1],
    [{ repository: { type: 'git', url: 'git+https://git.example/leastwise.git' } }, 0],
  ] as const) {
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module', ...described }))
    const check = spawnSync(scripts.prepublishOnly, { shell: true, cwd: folder, encoding: 'utf8' })
    assert.equal(check.status, status, check.stderr)
    assert.equal(check.stderr, status ? 'package.json has no repository: see docs/releasing.md\n' : '')
  }
})

for (const script of ['.ci/run', 'docs/deploy/roll.sh']) {
  test(`${script} can be parsed by bash`, () => {
    const { status, stderr } = spawnSync('bash', ['-n', join(root, script)], { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
  })
}

for (const name of readdirSync(join(root, '.github/ISSUE_TEMPLATE'))) {
  if (name === 'config.yml') continue

  test(`the issue form ${name} has what a form needs`, () => {
    const form = parse(read(`.github/ISSUE_TEMPLATE/${name}`))
    assert.deepEqual(Object.keys(form), ['name', 'description', 'labels', 'body'])
    const fields = form.body.filter(({ type }: { type: string }) => type !== 'markdown')
    const ids = fields.map(({ id }: { id: string }) => id)
    assert.equal(new Set(ids).size, fields.length)
    for (const { type, id, attributes } of fields) {
      assert.match(id, /^[a-z]+$/)
      assert.match(type, /^(textarea|dropdown|input|checkboxes)$/)
      assert.equal(typeof attributes.label, 'string')
    }
  })
}
