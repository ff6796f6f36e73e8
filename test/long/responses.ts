import { test } from 'node:test'
import { runCase } from '../fuzz/fuzz.js'

const CASES = 10_000

test(`${CASES} random responses, cut at random, are read as Node's client reads them`, async () => {
  for (let seed = 0; seed < CASES; seed++) await runCase(seed, new Map())
})
