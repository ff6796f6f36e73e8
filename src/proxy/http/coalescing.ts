/**
 * Largest body in bytes that is worth converting to text, with one character for each byte, so that it leaves in one
 * write with its head.
 */
export const MAX_COALESCED_BYTES = 16 * 1024
