import { reloads } from '../scenarios/reloads.js'

for (const workers of [1, 2]) reloads({ times: 50, workers, requests: 200 })
