import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bars } from '../../bench/plot/bars.js'
import { type LinesOptions, lines } from '../../bench/plot/lines.js'

const curves: LinesOptions = {
  title: 'Cats & dogs',
  subtitle: 'a < b\n"quoted"',
  x: { name: 'seconds', log: true, min: 1, max: 100 },
  y: { name: 'p99', format: (value) => `${value} ms` },
  series: [
    {
      name: 'one',
      points: [
        [1, 5],
        [10, 7],
        [100, 3],
      ],
    },
    {
      name: 'other',
      points: [
        [1, 2],
        [100, 9],
      ],
      dots: true,
    },
  ],
  area: { from: 10, to: 50, name: 'meanwhile' },
}

test('the same curves are the same text, whatever was drawn before', () => {
  const first = lines(curves)
  bars({
    title: 'Bars',
    subtitle: '',
    groups: ['a', 'b'],
    y: { name: '%' },
    series: [{ name: 's', values: [1, 2] }],
  })
  assert.equal(lines(curves), first)
})

test('a picture says what it shows, in words and to a screen reader', () => {
  const svg = lines(curves)
  assert.match(
    svg,
    /^<svg [^>]*role="img" aria-label="Cats &amp; dogs\. a &lt; b &quot;quoted&quot;">\n<title>Cats &amp; dogs<\/title>/,
  )
  for (const text of ['>one<', '>other<', '>seconds<', '>p99<', '>meanwhile<', ' ms<'])
    assert.ok(svg.includes(text), text)
})

test('everything has its place', () => {
  assert.doesNotMatch(lines(curves), /NaN|undefined/)
})

test('a picture has a ground of its own, so that it is readable on any', () => {
  assert.match(lines(curves), /<rect [^>]*fill="#(?:fff){1,2}"/)
})

test('bars are written at, one beside the other or stacked', () => {
  const options = {
    title: 'Shares',
    subtitle: 'of three',
    groups: ['a', 'b'],
    y: { name: 'share', format: (value: number) => `${value} %` },
    series: [
      { name: 'one', values: [60, 70] },
      { name: 'other', values: [40, 30] },
    ],
  }
  for (const stacked of [false, true]) {
    const svg = bars({ ...options, stacked })
    for (const text of ['>60 %<', '>70 %<', '>40 %<', '>30 %<', '>a<', '>b<'])
      assert.ok(svg.includes(text), text)
  }
  assert.notEqual(bars(options), bars({ ...options, stacked: true }))
})
