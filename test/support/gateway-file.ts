import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { parseConfig } from '../../src/config/environment.js'
import { ConfigFileError } from '../../src/config/file/mistakes.js'
import { type ReadFile, readGatewayFile } from '../../src/config/file/read-file.js'

/** Files of gateways in a folder of their own, which goes with the tests of the file. */
export function fileFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'leastwise-file-'))
  after(() => rmSync(folder, { recursive: true }))
  const write = (name: string, text: string | Buffer): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const read = (
    text: string | Buffer,
    variables: Record<string, string> = {},
    name = 'gateway.yaml',
  ): ReadFile => readGatewayFile(write(name, text), parseConfig({}), variables)
  /** The mistakes of a file as `line:column path: message`. */
  const mistakesOf = (text: string | Buffer, variables?: Record<string, string>, name?: string): string[] => {
    try {
      read(text, variables, name)
      return []
    } catch (error) {
      assert.ok(error instanceof ConfigFileError, (error as Error).stack)
      return error.mistakes.map(({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`)
    }
  }
  return { folder, write, read, mistakesOf }
}

const POOLS = 'pools: { users: { backends: [http://10.0.0.1:80] }, next: {} }\n'

/** A file with one route, whose lines are given. The first is line 3, and begins in column 5. */
export function routeFile(...lines: string[]): string {
  return `${POOLS}routes:\n  - ${lines.join('\n    ')}\n`
}

/** Checks that the mistakes of a file are those that begin so, and no others. */
export function assertMistakes(found: readonly string[], wanted: readonly string[]): void {
  assert.equal(found.length, wanted.length, found.join('\n'))
  for (const start of wanted)
    assert.ok(
      found.some((line) => line.startsWith(start)),
      `${start}\n${found.join('\n')}`,
    )
}
