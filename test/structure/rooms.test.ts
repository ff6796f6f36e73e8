import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '../support/process.js'

/** Lines that a file may have; more need a reason in the first line, and no file has more than `TOO_LONG`. */
const LONG = 200
const TOO_LONG = 250

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|css|html)$/.test(name))
    .map((name) => `${folder}/${name}`)
}

test('no source file holds more than one idea, as far as its length tells', () => {
  const wrong: string[] = []
  for (const file of ['src', 'plugins', 'routes', 'bench'].flatMap(sources)) {
    const lines = readFileSync(join(root, file), 'utf8').trimEnd().split('\n')
    const givesReason = (lines[0] as string).startsWith(`// Over ${LONG} lines: `)
    if (lines.length > TOO_LONG || (lines.length > LONG && !givesReason))
      wrong.push(`${file} has ${lines.length} lines`)
  }
  assert.deepEqual(wrong, [])
})

test('npm test runs every test file', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const patterns = [...scripts.test.matchAll(/dist\/(test\/\S+)\.test\.js/g)].map(
    ([, pattern]) => new RegExp(`^${pattern.replaceAll('*', '[^/]*')}\\.test\\.ts$`),
  )
  const missed = sources('test').filter(
    (file) => file.endsWith('.test.ts') && !patterns.some((pattern) => pattern.test(file)),
  )
  assert.deepEqual(missed, [])
})

test('plugins/ holds Fastify plugins, one in each file, and nothing else', () => {
  for (const file of sources('plugins')) {
    const text = readFileSync(join(root, file), 'utf8')
    const values = [...text.matchAll(/^export (?:async )?(?:const|function|class|let) (\w+)/gm)].map(
      ([, name]) => name,
    )
    assert.equal(values.length, 1, `${file} exports ${values}`)
    assert.match(values[0] as string, /Plugin$/, file)
  }
})

test('routes/ holds resources of the admin API, one in each file, and nothing else', () => {
  for (const file of sources('routes')) {
    const text = readFileSync(join(root, file), 'utf8')
    const values = [...text.matchAll(/^export (?:async )?(?:const|function|class|let) (\w+)/gm)].map(
      ([, name]) => name,
    )
    assert.equal(values.length, 1, `${file} exports ${values}`)
    assert.match(values[0] as string, /Routes$/, file)
  }
})

test('at the top of src there is the face of the package, and nothing else', () => {
  assert.deepEqual(
    readdirSync(join(root, 'src')).filter((name) => name.endsWith('.ts')),
    ['index.ts'],
  )
})
