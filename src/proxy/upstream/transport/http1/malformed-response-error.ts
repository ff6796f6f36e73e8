/** Number of bytes that are kept of a response that does not begin with HTTP. */
const RAW_BYTES = 40

/** A backend's response breaks the rules of HTTP/1.1, so that its connection cannot be used any longer. */
export class MalformedResponseError extends Error {
  /** The name that llhttp, Node's parser, has for the fault, such as `HPE_INVALID_CHUNK_SIZE`; or `BAD_ANSWER`. */
  readonly code: string
  /** The first bytes of a response that does not begin with HTTP. */
  readonly rawPacket?: Buffer

  constructor(code: string, reason: string, rawPacket?: Buffer) {
    super(reason)
    this.code = code
    // The bytes are copied, because their memory belongs to the caller.
    if (rawPacket) this.rawPacket = Buffer.from(rawPacket.subarray(0, RAW_BYTES))
  }
}

/** Makes the error about a CR or LF that is not part of a CRLF (RFC 9112 section 2.2). */
export function bareLineEnd(isLineFeed: boolean, where: string): MalformedResponseError {
  return isLineFeed
    ? new MalformedResponseError('HPE_CR_EXPECTED', `no CR before the LF of ${where}`)
    : new MalformedResponseError('HPE_LF_EXPECTED', `no LF behind the CR of ${where}`)
}
