import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { root } from './support/process.js'

/** What each part of the tree may import from, besides itself. */
const layers: { part: string; may: string[]; packages: RegExp }[] = [
  { part: 'src/balancer/', may: [], packages: /^node:events$/ },
  {
    part: 'src/adapters/',
    may: ['src/balancer/'],
    packages: /^(node:(crypto|dns|fs|fs\/promises|http|https|net|os|path|stream|tls)|undici)$/,
  },
  { part: 'plugins/', may: ['src/balancer/', 'src/adapters/'], packages: /./ },
  {
    part: 'src/cli/',
    // Fastify only where it serves, or every command would start three times slower.
    may: ['src/balancer/', 'src/adapters/loopback.js', 'src/env-file.js', 'src/server.js', 'src/signals.js'],
    packages: /^(node:(events|fs|http|https|timers\/promises|util)|commander)$/,
  },
  { part: 'routes/', may: ['src/balancer/', 'plugins/'], packages: /./ },
]

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))
}

test('imports point one way', () => {
  for (const { part, may, packages } of layers) {
    for (const file of sources(part)) {
      for (const [, target] of readFileSync(join(root, file), 'utf8').matchAll(
        /(?:from |import\()'([^']+)'/g,
      )) {
        if (target?.startsWith('.')) {
          const path = relative(root, join(root, dirname(file), target))
          assert.ok(
            [part, ...may].some((prefix) => path.startsWith(prefix)),
            `${file} must not import ${path}`,
          )
        } else {
          assert.match(target as string, packages, `${file} must not import ${target}`)
        }
      }
    }
  }
})

test('no room for odds and ends', () => {
  for (const folder of ['src', 'plugins', 'routes', 'test', 'bench']) {
    for (const file of sources(folder)) assert.doesNotMatch(file, /util|helper|misc/)
  }
})

test('processes that tests and benchmarks start end with them', () => {
  for (const file of [...sources('test'), ...sources('bench')]) {
    if (file === 'test/support/children.ts') continue
    for (const [, names] of readFileSync(join(root, file), 'utf8').matchAll(
      /import \{([^}]*)\} from 'node:child_process'/g,
    )) {
      assert.doesNotMatch(
        names as string,
        /\b(spawn|fork)\b/,
        `${file} takes them from test/support/children`,
      )
    }
  }
})
