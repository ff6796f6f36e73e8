import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Balancer } from '../../../src/balancer/balancer.js'
import { defaults } from '../../../src/balancer/options.js'
import { root } from '../../support/process.js'

test('the documentation of an option says the default that it has', () => {
  const files = ['options.ts', 'changing-options.ts']
  const source = files.map((file) => readFileSync(join(root, 'src/balancer', file), 'utf8')).join('\n')
  const said = new Map(
    [...source.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*?)\*\/\n {2}(\w+)\?:/g)].map(([, text = '', name]) => [
      name,
      /(?:`([\w-]+)`|\b(\d[\d,]*)) by default/.exec(text)?.slice(1).find(Boolean)?.replaceAll(',', ''),
    ]),
  )
  for (const [name, value] of Object.entries(defaults)) {
    if (typeof value === 'string' || typeof value === 'number')
      assert.equal(said.get(name), String(value), name)
  }
})

test('the number of workers is whole, and only the thread that controls a pool has workers', (t) => {
  assert.throws(() => new Balancer({ workers: 1.5 }), /"workers" must be a whole number/)
  const control = new Balancer({ workers: 1 })
  t.after(() => control.close())
  const shared = control.workers?.connect().handle
  assert.throws(() => new Balancer({ workers: 1, shared }), /"workers" belongs to the thread that controls/)
})
