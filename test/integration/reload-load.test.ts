import { reloads } from '../scenarios/reloads.js'

for (const workers of [1, 2]) reloads({ times: 6, workers, requests: 40 })
