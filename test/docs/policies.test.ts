import assert from 'node:assert/strict'
import { test } from 'node:test'
import { policies } from '../../src/balancer/selection/policies/index.js'
import { readDocument } from '../support/markdown.js'

test('the page on selection has every policy, with its meaning', () => {
  const document = readDocument('docs/concepts/selection.md')
  const rows = Object.fromEntries(
    [...document.matchAll(/^\| `([a-z-]+)` \| (.+) \|$/gm)].map(([, name, meaning]) => [name, meaning]),
  )
  for (const [name, { meaning }] of Object.entries(policies)) assert.equal(rows[name], meaning)
})
