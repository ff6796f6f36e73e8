/** A response body on its way from a backend, as seen by the reader that downstream has of it. */
export interface BodySource {
  /** Called when downstream has taken every byte that has come. */
  onAllTaken(): void
  /** Called when downstream can take further bytes; also called if it was not full before. */
  onTaking(): void
  /** Called when downstream takes no further bytes. It may be called when the body is over, which means nothing. */
  onDropped(error: Error | null): void
}

/** Passes a response body on to downstream. */
export interface BodyReader {
  /**
   * Passes on a part of the body.
   * @returns false if {@link BUFFER_BYTES} wait for downstream, so that no part should come until `onTaking` is called
   */
  push(chunk: Buffer): boolean
  /** Ends the body. */
  end(): void
  /** Breaks the body off, so that it has no end, or drops what is still to come of it. */
  destroy(error?: Error): unknown
}

/** Number of bytes that wait for downstream before the gateway stops reading from the backend. */
export const BUFFER_BYTES = 64 * 1024
