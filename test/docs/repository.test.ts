import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
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
  const [, wanted = ''] = build.match(/^for program in ([\w ]+);/m) ?? []
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

test('the public workflow may only read, and names a version of each action', () => {
  assert.deepEqual(workflow.permissions, { contents: 'read' })
  for (const job of Object.values<{ permissions?: unknown }>(workflow.jobs)) {
    assert.equal(job.permissions, undefined)
  }
  const actions = steps.flatMap(({ uses }) => uses ?? [])
  assert.ok(actions.length > 0)
  for (const action of actions) assert.match(action, /^[\w-]+\/[\w-]+@(v\d+|[\da-f]{40})$/)
})

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
