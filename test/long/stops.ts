import { stops } from '../scenarios/stops.js'

for (const workers of [1, 2]) stops({ times: 20, workers })
