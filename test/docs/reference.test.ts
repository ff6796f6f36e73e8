import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { errorCodes } from '../../src/admin/contract/error-codes.js'
import { generated } from '../../src/reference/generated.js'
import { backendFamilies } from '../../src/telemetry/metrics/backend-families.js'
import { poolFamilies } from '../../src/telemetry/metrics/pool-families.js'
import { mirrorFamily, rateLimitFamily, routeFamilies } from '../../src/telemetry/metrics/route-families.js'
import { workerFamilies } from '../../src/telemetry/metrics/worker-families.js'
import { fencesOf, readDocument } from '../support/markdown.js'
import { root } from '../support/process.js'

/** What stands in code in the first column of the tables of a page, from a heading on or in all of it. */
function firstColumn(document: string, heading = ''): string[] {
  const text = readDocument(document).split(heading && `\n## ${heading}\n`)[heading ? 1 : 0] ?? ''
  const [section = ''] = heading ? text.split('\n## ') : [readDocument(document)]
  return [...section.matchAll(/^\| ([^|]*) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  )
}

/** Codes of errors that the source makes. */
const codes = new Set(
  ['src', 'plugins', 'routes'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(join(root, folder, name), 'utf8').replace(/\/\*[\s\S]*?\*\//g, ''))
      .flatMap((source) => source.match(/\bLEASTWISE_[A-Z_]+[A-Z]\b/g) ?? []),
  ),
)

test('the files that are made from tables and schemas are as npm run generate makes them', async () => {
  for (const [path, text] of Object.entries(generated)) {
    assert.equal(readDocument(path), await text(), `${path}: npm run generate`)
  }
})

test('the reference has every error of the admin API', () => {
  const reference = readDocument('docs/reference/admin-api.md')
  for (const code of Object.keys(errorCodes)) assert.ok(reference.includes(`\`${code}\``), code)
})

test('the reference has every code of an error', () => {
  const pages = ['errors', 'admin-api'].map((name) => readDocument(`docs/reference/${name}.md`)).join('')
  // A variable of the environment.
  codes.delete('LEASTWISE_URL')
  for (const code of codes) assert.ok(pages.includes(`\`${code}\``), code)
})

test('the reference has every metric, with its type, and no other', () => {
  for (const [heading, families] of [
    ['Of each backend', backendFamilies],
    ['Of each pool', poolFamilies],
    ['Of each route', [...routeFamilies, mirrorFamily, rateLimitFamily]],
    ['Of each worker', workerFamilies],
  ] as const) {
    const names = families.map(({ name }) => name)
    assert.deepEqual(firstColumn('docs/reference/metrics.md', heading).sort(), names.sort())
  }
  const text = readDocument('docs/reference/metrics.md')
  for (const { name, type } of [
    ...backendFamilies,
    ...poolFamilies,
    ...routeFamilies,
    mirrorFamily,
    rateLimitFamily,
    ...workerFamilies,
  ])
    assert.ok(text.includes(`| \`${name}\` | ${type} |`), `${name} is a ${type}`)
})

test('the reference has every field of a line of the log', () => {
  const line = fencesOf('docs/observability.md').find(({ info }) => info === 'log')?.code ?? '{}'
  const { level, time, msg, ...fields } = JSON.parse(line) as Record<string, unknown>
  const told = firstColumn('docs/reference/log.md', 'The line of a request')
  // The last two are there where the gateway has routes.
  assert.deepEqual(told.sort(), [...Object.keys(fields), 'route', 'pool'].sort())
})
