import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { test } from 'node:test'
import { settingNames, variable } from '../../src/config/settings.js'
import { anchorsOf, documents, fencesOf, proseOf, readDocument } from '../support/markdown.js'
import { root } from '../support/process.js'

/** The files of the tree that a document links to, each with the heading where one is named. */
function linksOf(document: string): { file: string; anchor: string | undefined }[] {
  const targets = [...proseOf(document).matchAll(/(?:\]\(|src=")([^)"\s]+)[)"]/g)].map(
    ([, target = '']) => target,
  )
  return targets
    .filter((target) => !/^https?:/.test(target))
    .map((target) => {
      const [path = '', anchor] = target.split('#')
      return { file: path === '' ? document : posix.join(dirname(document), path), anchor }
    })
}

/** Every Markdown file that is kept in the repository. */
const pages = spawnSync('git', ['ls-files', '*.md'], { cwd: root, encoding: 'utf8' })
  .stdout.split('\n')
  .filter((name) => name !== '' && existsSync(join(root, name)))

for (const page of pages.length > 0 ? pages : documents) {
  test(`${page}: links lead somewhere`, () => {
    for (const { file, anchor } of linksOf(page)) {
      assert.ok(existsSync(join(root, file)), `there is no ${file}`)
      if (anchor) assert.ok(anchorsOf(file).has(anchor), `${file} has no heading #${anchor}`)
    }
  })
}

test('what the README and the documentation link to is in the package', () => {
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] }
  // npm adds these by itself.
  const shipped = [...files, 'README.md', 'LICENSE', 'package.json']
  const within = (file: string, entry: string) => file === entry || file.startsWith(`${entry}/`)
  const isShipped = (file: string) =>
    shipped.some((entry) => within(file, entry)) && !shipped.some((entry) => within(`!${file}`, entry))
  const read = documents.filter((name) => name === 'README.md' || name.startsWith('docs/'))
  for (const document of read.filter(isShipped)) {
    for (const { file } of linksOf(document)) assert.ok(isShipped(file), `${document} links to ${file}`)
  }
})

for (const document of documents) {
  const prose = proseOf(document)

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
      const isOfProxy = ofProxies.has(language) && info !== ''
      if (!quoted.has(language) && !isOfProxy && !code.startsWith('#!')) continue
      const file = posix.join(dirname(document), info)
      assert.ok(info !== '' && existsSync(join(root, file)), `line ${line} must name its file`)
      assert.equal(code, readDocument(file), file)
    }
  })
}

/** Words that documents use for these things, so that a reader never wonders whether two words mean two things. */
const otherWords: [word: RegExp, instead: string][] = [
  [/\bramps?\b/i, 'slow start'],
  [/\b(second|further) (try|tries)\b/i, 'hedge, or retry'],
]

for (const document of documents) {
  test(`${document}: one word for each thing`, () => {
    for (const [word, instead] of otherWords) assert.doesNotMatch(proseOf(document), word, `say ${instead}`)
  })
}

/** Languages of files that somebody may want to take as they are. */
const quoted = new Set(['ini', 'yaml', 'dockerfile'])

/** Configuration of proxies, which may also be shown in part, and then names no file. */
const ofProxies = new Set(['nginx', 'caddyfile', 'haproxy'])

/** Variables that are not ours. */
const ofOthers = new Set([
  'NODE_EXTRA_CA_CERTS',
  'NODE_TLS_REJECT_UNAUTHORIZED',
  'NODE_OPTIONS',
  'NODE_ENV',
  'LEASTWISE_URL',
  'LEASTWISE_TOKEN',
])

function codesIn(folder: string, pattern: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => readFileSync(join(root, folder, name), 'utf8').match(pattern) ?? [])
}

/** Codes of errors, wherever they are made. Those of causes are not ours, and are named in one folder. */
const codes = new Set([
  ...codesIn('src/proxy/upstream/failures', /\b[A-Z][A-Z0-9]*(_[A-Z0-9]+)+\b/g),
  ...['src', 'plugins', 'routes'].flatMap((folder) => codesIn(folder, /LEASTWISE_[A-Z_]+/g)),
])
