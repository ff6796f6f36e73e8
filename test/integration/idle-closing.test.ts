import { idleClosing } from '../scenarios/idle-closing.js'

idleClosing({ requests: 1000, seed: 2 })
