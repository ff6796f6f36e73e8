import { fastFailure } from '../scenarios/fast-failures.js'

// The other pairs are in test/long/.
fastFailure('answers 500', 'by ejection')
fastFailure('resets', 'by the penalty alone')
fastFailure('says what is no HTTP', 'by ejection')
