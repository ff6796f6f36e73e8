import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readDocument } from '../support/markdown.js'

const [, points = ''] = readDocument('docs/comparison.md').split('## Point by point\n')

/** What is said of one or several of them. */
const claims = points
  .split(/\n(?=- )|\n\n/)
  .filter((text) => text.startsWith('- **'))
  .map((text) => text.replaceAll('\n', ' '))

test('what is said of others has a source, and what is said of leastwise a test or a page', () => {
  assert.ok(claims.length > 80)
  for (const claim of claims) {
    if (claim.startsWith('- **leastwise**'))
      assert.match(claim, /`test\/[\w/.-]+`|\]\([\w/-]+\.md[#)]/, claim)
    else assert.match(claim, /\]\(https:\/\/|\]\[\w-/, claim)
  }
})

test('every point begins with leastwise, and leaves nobody out', () => {
  for (const point of points.split(/^### /m).slice(1)) {
    const [title] = point.split('\n')
    const named = [...point.matchAll(/\*\*(leastwise|nginx|HAProxy|Caddy|Envoy|Traefik)\*\*/g)].map(
      ([, name]) => name,
    )
    assert.equal(named[0], 'leastwise', title)
    assert.deepEqual(named.toSorted(), ['Caddy', 'Envoy', 'HAProxy', 'Traefik', 'leastwise', 'nginx'], title)
  }
})
