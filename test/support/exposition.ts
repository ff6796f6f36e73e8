import assert from 'node:assert/strict'

export type Labels = Record<string, string>

/** A page of metrics, of which every line was understood. */
export interface Exposition {
  /** What kind each family is of, by its name. */
  types: Map<string, string>
  samples: { name: string; labels: Labels; value: number }[]
  /** The sum of the lines of a name that have these labels. */
  sum(name: string, labels?: Labels): number
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"/y

/**
 * Reads Prometheus text, and refuses what Prometheus would, or would take for something else: a line that is none,
 * two of the same labels, a family in two places, a histogram that does not add up.
 */
export function parseExposition(text: string): Exposition {
  const types = new Map<string, string>()
  const helps = new Set<string>()
  const samples: Exposition['samples'] = []
  const seen = new Set<string>()
  let family = ''
  assert.ok(text.endsWith('\n'))
  for (const line of text.split('\n')) {
    if (line === '') continue
    const help = /^# HELP (\S+) (.+)$/.exec(line)
    const type = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line)
    if (help) {
      assert.ok(!helps.has(help[1] as string), line)
      helps.add(help[1] as string)
    } else if (type) {
      family = type[1] as string
      assert.match(family, NAME)
      assert.ok(helps.has(family) && !types.has(family), line)
      types.set(family, type[2] as string)
    } else {
      const sample = sampleOf(line)
      const suffix = types.get(family) === 'histogram' ? '(_bucket|_sum|_count)' : ''
      assert.match(sample.name, new RegExp(`^${family}${suffix}$`), line)
      const labels = Object.entries(sample.labels).sort(([a], [b]) => (a < b ? -1 : 1))
      const key = sample.name + JSON.stringify(labels)
      assert.ok(!seen.has(key), `twice: ${line}`)
      seen.add(key)
      samples.push(sample)
    }
  }
  for (const [name, type] of types) if (type === 'histogram') checkHistogram(name, samples)
  return {
    types,
    samples,
    sum(name, labels = {}) {
      const fits = (sample: { name: string; labels: Labels }) =>
        sample.name === name &&
        Object.entries(labels).every(([label, value]) => sample.labels[label] === value)
      return samples.filter(fits).reduce((sum, { value }) => sum + value, 0)
    },
  }
}

function sampleOf(line: string): Exposition['samples'][number] {
  const [, name = '', list = '', number = ''] = /^([^{ ]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
  assert.match(name, NAME, line)
  const labels: Labels = {}
  let at = 0
  while (at < list.length) {
    LABEL.lastIndex = at
    const [whole, label, value] = LABEL.exec(list) ?? assert.fail(line)
    assert.ok(!((label as string) in labels), line)
    labels[label as string] = value as string
    at += (whole as string).length
    if (at < list.length) assert.equal(list[at++], ',', line)
  }
  const value = number === '+Inf' ? Number.POSITIVE_INFINITY : Number(number)
  // The library's way to write it; Prometheus reads any.
  assert.ok(!Number.isNaN(value) || number === 'Nan', line)
  return { name, labels, value }
}

function checkHistogram(name: string, samples: Exposition['samples']): void {
  const last = new Map<string, { le: number; value: number }>()
  const without = ({ le: _le, ...labels }: Labels) => JSON.stringify(labels)
  for (const sample of samples) {
    if (sample.name !== `${name}_bucket`) continue
    const key = without(sample.labels)
    const before = last.get(key) ?? { le: Number.NEGATIVE_INFINITY, value: 0 }
    const le = sample.labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(sample.labels.le)
    assert.ok(le > before.le && sample.value >= before.value, `${name} ${key}`)
    last.set(key, { le, value: sample.value })
  }
  for (const sample of samples) {
    if (sample.name !== `${name}_count`) continue
    assert.deepEqual(last.get(without(sample.labels)), {
      le: Number.POSITIVE_INFINITY,
      value: sample.value,
    })
  }
}
