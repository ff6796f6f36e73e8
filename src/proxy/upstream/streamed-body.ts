import { Readable } from 'node:stream'
import { type BodyReader, type BodySource, BUFFER_BYTES } from './body-reader.js'

/** Passes a response body on as a stream, which code of the app may read or convert. */
export class StreamedBody extends Readable implements BodyReader {
  readonly #source: BodySource

  constructor(source: BodySource) {
    super({ highWaterMark: BUFFER_BYTES })
    this.#source = source
    // The body may break before it has a reader, and an `error` without a listener would end the process.
    this.on('error', () => {})
  }

  end(): void {
    this.push(null)
  }

  override _read(): void {
    if (this.readableLength === 0) this.#source.onAllTaken()
    this.#source.onTaking()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#source.onDropped(error)
    done(error)
  }
}
