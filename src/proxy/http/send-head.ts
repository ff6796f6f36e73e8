const NO_BYTES = Buffer.alloc(0)

/** Sends the head of a message now. `flushHeaders` would encode the head as UTF-8, but header fields are latin1. */
export function sendHead(message: { write(chunk: Buffer): unknown }): void {
  message.write(NO_BYTES)
}
