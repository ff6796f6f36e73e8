import { fastFailure, fastFailures } from '../scenarios/fast-failures.js'

for (const [way, by] of fastFailures) fastFailure(way, by)
