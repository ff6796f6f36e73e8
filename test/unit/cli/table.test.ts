import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Column, table } from '../../../src/cli/table.js'

const columns: Column<{ id: string; n: number }>[] = [
  { head: 'id', text: ({ id }) => id },
  { head: 'twice', spare: 1, text: ({ id }) => id + id },
  { head: 'n', right: true, text: ({ n }) => String(n) },
]
const rows = [
  { id: 'a', n: 5 },
  { id: 'long-enough-to-be-cut', n: 1234 },
]

test('columns are as wide as what is in them, numbers stand on the right', () => {
  assert.deepEqual(table(columns, rows.slice(0, 1)), ['id  twice  n', 'a   aa     5'])
  assert.deepEqual(table(columns, []), ['id  twice  n'])
})

test('where there is no room a spare column goes, then the first one gives way, then lines are cut', () => {
  const widest = (width: number) => Math.max(...table(columns, rows, width).map(({ length }) => length))
  assert.deepEqual(table(columns, rows, 69)[2]?.split(/ +/).length, 2)
  assert.deepEqual(table(columns, rows, 27), [
    `id${' '.repeat(24)}n`,
    `a${' '.repeat(25)}5`,
    'long-enough-to-be-cut  1234',
  ])
  assert.deepEqual(table(columns, rows, 16), ['id             n', 'a              5', 'long-enou…  1234'])
  for (const width of [0, 1, 5, 8, 9, 11, 13, 20, 200]) assert.ok(widest(width) <= width, String(width))
})

test('a cell cannot reach the terminal', () => {
  assert.deepEqual(table(columns.slice(0, 1), [{ id: '\x1b[2J\n', n: 0 }])[1], '\\u{1b}[2J\\u{a}')
})
