/** Bytes that are read from a connection at a time, as Node reads them. */
const READ_BYTES = 64 * 1024

/** The buffer into which all connections read; what it holds has to be used, or copied, before the next read. */
let shared: Buffer | undefined

/** Returns the buffer that all connections share. It is made when the first connection is opened. */
export function sharedBuffer(): Buffer {
  shared ??= Buffer.allocUnsafeSlow(READ_BYTES)
  return shared
}

/** Returns a buffer for one read, which belongs to whoever gets its bytes. */
export function ownBuffer(): Buffer {
  return Buffer.allocUnsafeSlow(READ_BYTES)
}
