/** Properties of errors of Node and of the HTTP client besides code and message. */
export interface LibraryError extends NodeJS.ErrnoException {
  /** OpenSSL's description of the error, without the position in OpenSSL's source that the message has. */
  reason?: string
  /** The bytes that could not be read as HTTP. */
  rawPacket?: Buffer
  /** The errors of a connection attempt, one for each address that was tried. */
  errors?: Error[]
  /** The IP address or the path of a Unix socket that a connection attempt was made to. */
  address?: string
}

/** Returns true if the error is that of a connection attempt to a Unix socket. */
export function isOfUnixSocket({ syscall, address = '' }: LibraryError): boolean {
  // The byte 0 begins the name of an abstract socket.
  return syscall === 'connect' && /^[/\0]/.test(address)
}

/** Number of bytes that are looked at and shown of a response that is not HTTP. */
const FIRST_BYTES = 40

/** Returns the first of the bytes that could not be read as HTTP, decoded as latin1. */
export function firstBytesOf({ rawPacket }: LibraryError): string {
  return rawPacket?.toString('latin1', 0, FIRST_BYTES) ?? ''
}
