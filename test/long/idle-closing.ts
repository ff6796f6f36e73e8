import { idleClosing } from '../scenarios/idle-closing.js'

idleClosing({ requests: 200_000, seed: 1 })
