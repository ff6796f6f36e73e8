import { evenShares } from '../scenarios/shares.js'

evenShares({ equal: 900, weighted: 10_000 })
