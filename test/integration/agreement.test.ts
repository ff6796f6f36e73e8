import { agreement } from '../scenarios/agreement.js'

agreement(4000)
