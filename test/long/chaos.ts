import { chaos } from '../scenarios/chaos.js'

for (const seed of [1, 2, 3]) chaos({ requests: 4000, seed })
