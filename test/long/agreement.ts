import { agreement } from '../scenarios/agreement.js'

agreement(10_000)
