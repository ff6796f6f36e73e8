import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { parse } from 'yaml'
import { parseConfig } from '../../../../src/config/environment.js'
import { readGatewayFile } from '../../../../src/config/file/read-file.js'
import { fileJsonSchema } from '../../../../src/config/file/schema/json-schema.js'
import { poolSettingNames } from '../../../../src/config/settings.js'
import { root } from '../../../support/process.js'

const example = join(root, 'examples/gateway/gateway.yaml')

test('the example is a file that both the gateway and an editor accept', () => {
  const { config, files } = readGatewayFile(example, parseConfig({}), {})
  assert.equal(config.routes?.length, 4)
  assert.deepEqual(files, [example, join(root, 'examples/gateway/api-keys')])
  const isValid = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(fileJsonSchema())
  const document = parse(readFileSync(example, 'utf8')) as { routes: Record<string, unknown>[] }
  assert.ok(isValid(document), JSON.stringify(isValid.errors))
  Object.assign(document.routes[0] ?? {}, { pol: 'users' })
  assert.equal(isValid(document), false)
})

test('the schema has every setting of a pool, with its default', () => {
  const text = JSON.stringify(fileJsonSchema())
  for (const name of poolSettingNames) assert.ok(text.includes(`"${name}":`), name)
  assert.doesNotMatch(text, /"(accepts|names)":"/)
})
