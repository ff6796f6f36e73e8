import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Samples } from '../../../src/balancer/stats/samples.js'
import { seeded } from '../../support/random.js'

test('percentiles are those of a sort, whatever the order and however many values are equal', () => {
  const draw = seeded(7)
  for (let round = 0; round < 300; round++) {
    const samples = new Samples(200)
    const kept: number[] = []
    const size = Math.floor(draw() * 300)
    const kinds = [3, 50, 1e9][round % 3] as number
    for (let i = 0; i < size; i++) {
      const sample = round % 5 === 0 ? i : Math.floor(draw() * kinds)
      samples.add(sample)
      kept.push(sample)
    }
    const sorted = kept.slice(-200).sort((a, b) => a - b)
    const at = (rank: number) => sorted[Math.max(0, Math.ceil(sorted.length * rank) - 1)] ?? 0
    const ranks = [0, 0.5, 0.5, 0.95, 0.99, 1]
    assert.deepEqual(samples.percentiles(...ranks), ranks.map(at))
  }
})
