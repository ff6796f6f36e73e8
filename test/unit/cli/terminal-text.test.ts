import assert from 'node:assert/strict'
import { test } from 'node:test'
import { terminalJson, terminalText } from '../../../src/cli/terminal-text.js'

const nasty = 'a\x1b[31m\r\n\x07\x7f\x9b2J\u202eb\u{1f600}\ud800'

test('what is printed is printable ASCII, and says what it was', () => {
  assert.equal(
    terminalText(nasty),
    'a\\u{1b}[31m\\u{d}\\u{a}\\u{7}\\u{7f}\\u{9b}2J\\u{202e}b\\u{1f600}\\u{d800}',
  )
  assert.equal(terminalText('http://10.0.0.3:8080 ~'), 'http://10.0.0.3:8080 ~')
})

test('JSON is printable ASCII, too, and means the same', () => {
  const text = terminalJson({ [nasty]: [nasty] })
  assert.match(text, /^[\x20-\x7e]+$/)
  assert.deepEqual(JSON.parse(text), { [nasty]: [nasty] })
})
