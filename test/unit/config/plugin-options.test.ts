import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { DEFAULT_ADMIN_PREFIX, ownDefaults } from '../../../src/config/parse-options.js'
import { root } from '../../support/process.js'

const page = readFileSync(join(root, 'docs/reference/plugin.md'), 'utf8')

test('the reference has a row for each option that is no setting, with its default', () => {
  for (const [option, value] of Object.entries(ownDefaults)) {
    const row = new RegExp(`^\\| \`${option}\` \\| (.*?) \\|`, 'm').exec(page)
    assert.ok(row, `${option} has a row`)
    if (value === undefined) assert.match(row[1] as string, /^(none|all but)/, option)
    else assert.equal(row[1], `\`${typeof value === 'string' ? `'${value}'` : value}\``, option)
  }
  assert.ok(page.includes(`prefix = '${DEFAULT_ADMIN_PREFIX}'`))
})
