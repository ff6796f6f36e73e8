import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { JsonError, parseJson } from '../../../src/text/json-fault.js'

test('a message says what is not expected, and where', () => {
  for (const [text, message] of [
    ['', 'it ends too early, at line 1, column 1'],
    ['{"a": [1, 2', 'it ends too early, at line 1, column 12'],
    ['"abc', 'it ends too early, at line 1, column 5'],
    ['{\n  "a": 1,\n}', '"}" is not expected at line 3, column 1'],
    ['{\r\n  "a" 1}', '"1" is not expected at line 2, column 7'],
    ["{'a': 1}", `"'" is not expected at line 1, column 2`],
    ['{"url": http://a}', '"h" is not expected at line 1, column 9'],
    ['{"a": 1 "b": 2}', '""" is not expected at line 1, column 9'],
    ['[1, 2]]', '"]" is not expected at line 1, column 7'],
    ['[1, 02]', '"2" is not expected at line 1, column 6'],
    ['["\\x"]', '"\\" is not expected at line 1, column 3'],
    ['["a\tb"]', 'the character U+0009 is not expected at line 1, column 4'],
    ['\u2028{}', 'the character U+2028 is not expected at line 1, column 1'],
    ['[😀]', '"😀" is not expected at line 1, column 2'],
  ] as const) {
    assert.throws(() => parseJson(text), { constructor: JsonError, message }, JSON.stringify(text))
  }
})

test('what is JSON is read, and of what was one letter of it changed a place is named that has not come too late', () => {
  fc.assert(
    fc.property(fc.json(), fc.nat(), fc.constantFrom('', '}', ',', '"', 'x', '\n'), (json, where, letter) => {
      assert.deepEqual(parseJson(json), JSON.parse(json))
      const at = where % json.length
      const spoilt = json.slice(0, at) + letter + json.slice(at + 1)
      try {
        JSON.parse(spoilt)
      } catch {
        const [, line = 0, column = 0] = /line (\d+), column (\d+)$/.exec(
          messageOf(spoilt),
        ) as RegExpExecArray
        const lines = spoilt.split('\n')
        assert.ok(
          Number(line) <= lines.length && Number(column) <= (lines[Number(line) - 1]?.length ?? 0) + 1,
        )
        const before = lines.slice(0, Number(line) - 1).reduce((sum, text) => sum + text.length + 1, 0)
        // A word like `true` is named by its first letter.
        assert.ok(before + Number(column) - 1 >= at - 30 || letter === '"', spoilt)
      }
    }),
  )
})

test('depth and length are no trouble', () => {
  assert.match(messageOf('['.repeat(200_000)), /^it ends too early/)
  assert.match(messageOf(`"${'a'.repeat(2_000_000)}`), /^it ends too early/)
})

function messageOf(text: string): string {
  try {
    parseJson(text)
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('it is JSON')
}
