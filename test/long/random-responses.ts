import { test } from 'node:test'
import { runOnWire } from '../fuzz/connections.js'
import { runCase } from '../fuzz/fuzz.js'
import { Wire } from '../fuzz/wire.js'

const CASES = 2000
const CASES_ON_WIRE = 1000

test(`${CASES} random responses, cut at random, are read as Node's client reads them`, async () => {
  for (let seed = 0; seed < CASES; seed++) await runCase(seed, new Map())
})

test(`${CASES_ON_WIRE} random responses on kept connections are what they are alone`, async (t) => {
  const wire = await Wire.open()
  t.after(() => wire.close())
  let isKept = false
  for (let seed = 0; seed < CASES_ON_WIRE; seed++) isKept = await runOnWire(wire, seed, isKept)
})
