const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

/** For `skip` of a test with several threads that carry traffic: why there are none here, or false. */
export const noSharedPort =
  major > 22 || (major === 22 && minor >= 12)
    ? false
    : `several threads need Node 22.12 or newer: this is ${process.versions.node}`
