import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { test } from 'node:test'
import { settingNames, variable } from '../../src/config/settings.js'
import { anchorsOf, documents, fencesOf, proseOf, readDocument } from '../support/markdown.js'
import { root } from '../support/process.js'

for (const document of documents) {
  const prose = proseOf(document)

  test(`${document}: links lead somewhere`, () => {
    for (const [, target = ''] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? document : posix.join(dirname(document), path)
      assert.ok(existsSync(join(root, file)), `${target}: there is no ${file}`)
      if (anchor) assert.ok(anchorsOf(file).has(anchor), `${target}: ${file} has no such heading`)
    }
  })

  test(`${document}: links by name are defined, and used`, () => {
    const defined = [...prose.matchAll(/^\[([\w-]+)\]: https:/gm)].map(([, name]) => name)
    const used = [...prose.matchAll(/\]\[([\w-]+)\]/g)].map(([, name]) => name)
    assert.deepEqual([...new Set(used)].sort(), defined.sort())
  })

  test(`${document}: files that are named are there`, () => {
    for (const [, path = ''] of prose.matchAll(/`((?:src|plugins|routes|test|bench|docs)\/[\w./-]+)`/g)) {
      assert.ok(existsSync(join(root, path)), path)
    }
  })

  test(`${document}: settings and codes that are named are there`, () => {
    const variables = new Set(settingNames.map(variable))
    for (const [, name = ''] of prose.matchAll(/`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`/g)) {
      assert.ok(variables.has(name) || ofOthers.has(name) || codes.has(name), name)
    }
  })

  test(`${document}: configuration is quoted from a file as it is there`, () => {
    for (const { language, info, code, line } of fencesOf(document)) {
      if (!quoted.has(language) && !code.startsWith('#!')) continue
      const file = posix.join(dirname(document), info)
      assert.ok(info !== '' && existsSync(join(root, file)), `line ${line} must name its file`)
      assert.equal(code, readDocument(file), file)
    }
  })
}

/** Languages of files that somebody may want to take as they are. */
const quoted = new Set(['ini', 'yaml', 'dockerfile'])

/** Variables that are not ours. */
const ofOthers = new Set([
  'NODE_EXTRA_CA_CERTS',
  'NODE_OPTIONS',
  'NODE_ENV',
  'LEASTWISE_URL',
  'LEASTWISE_TOKEN',
])

/** Codes of errors, wherever they are made; those of causes are in one file. */
const codes = new Set([
  ...(readFileSync(join(root, 'src/proxy/upstream/failures/diagnosis.ts'), 'utf8').match(
    /\b[A-Z][A-Z0-9]*(_[A-Z0-9]+)+\b/g,
  ) ?? []),
  ...['src', 'plugins', 'routes'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .flatMap((name) => readFileSync(join(root, folder, name), 'utf8').match(/LEASTWISE_[A-Z_]+/g) ?? []),
  ),
])
