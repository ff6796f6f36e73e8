import { kills } from '../scenarios/kills.js'

kills({ count: 200, seed: 1 })
