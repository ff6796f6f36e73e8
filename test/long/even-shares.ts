import { evenShares } from '../scenarios/shares.js'

evenShares({ equal: 300, weighted: 3500 })
