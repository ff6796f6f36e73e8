const NOTHING = Buffer.alloc(0)

/** Sends the head of a message now. `flushHeaders` would encode it as UTF-8, which its fields need not be. */
export function sendHead(message: { write(chunk: Buffer): unknown }): void {
  message.write(NOTHING)
}
