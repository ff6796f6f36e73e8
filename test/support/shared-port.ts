const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

/** For `skip` of a test with several threads that carry traffic: why there are none here, or false. */
export const noSharedPort =
  major > 22 || (major === 22 && minor >= 12)
    ? false
    : `several threads need Node 22.12 or newer: this is ${process.versions.node}`

/**
 * What WORKERS is in tests that do not set it themselves: TEST_WORKERS in the environment, so that whole files of tests
 * run with several threads as well (`npm run test:workers`).
 */
export const testWorkers = process.env.TEST_WORKERS ?? '1'
if (testWorkers !== '1' && noSharedPort) throw new Error(noSharedPort)
