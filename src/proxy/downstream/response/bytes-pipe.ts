import { Stream } from 'node:stream'

/** A whole body in the form of a stream that can only be piped. It is written, and its end with it, in one call. */
export class BytesPipe extends Stream {
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    super()
    this.#bytes = bytes
  }

  /** @param options `end: false` if the caller ends the destination itself, as Fastify does for trailers of the app */
  override pipe<T extends NodeJS.WritableStream>(destination: T, options?: { end?: boolean }): T {
    if (options?.end === false) destination.write(this.#bytes)
    else destination.end(this.#bytes)
    this.emit('end')
    return destination
  }

  /** Does nothing, because nothing is left to be dropped. */
  destroy(): void {}
}
