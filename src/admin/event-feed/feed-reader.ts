import { Readable } from 'node:stream'

/** The first bytes of a stream, which tell the client to wait 2,000 milliseconds before it connects again. */
const GREETING = Buffer.from('retry: 2000\n\n')

/** One reader of a feed, with the events that it has not read yet. */
export class FeedReader {
  readonly stream = new Readable({ read() {} })
  /** Number of consecutive snapshots that were not sent, because the reader had not read earlier data yet. */
  missedSnapshots = 0
  /** Changes to send after the snapshot that is being made; undefined if the reader waits for no snapshot. */
  #held: Buffer[] | undefined

  constructor() {
    this.stream.push(GREETING)
  }

  /**
   * True if the reader has not read everything: data waits in this stream, or the stream is paused because data waits
   * on the connection.
   */
  get isBehind(): boolean {
    return this.stream.readableLength > 0 || this.stream.readableFlowing === false
  }

  /** True if the reader waits for a snapshot that is being made. */
  get waitsForSnapshot(): boolean {
    return this.#held !== undefined
  }

  /** Holds back further changes until the next snapshot is sent. */
  awaitSnapshot(): void {
    this.#held ??= []
  }

  sendSnapshot(event: Buffer): void {
    const held = this.#held ?? []
    this.#held = undefined
    this.stream.push(event)
    for (const change of held) this.stream.push(change)
  }

  /**
   * Sends a change. If too many bytes wait for the reader already, this ends its connection instead; the reader can
   * connect again and ask for the changes that it missed.
   * @param maxBufferedBytes bytes that may wait for the reader
   */
  sendChange(event: Buffer, maxBufferedBytes: number): void {
    const waiting = this.stream.readableLength + (this.#held ? this.#held.length * event.length : 0)
    if (waiting > maxBufferedBytes) this.stream.destroy()
    else if (this.#held) this.#held.push(event)
    else this.stream.push(event)
  }

  /** Ends the stream. If the reader is behind, the stream is destroyed, and unread data is lost. */
  close(): void {
    if (this.isBehind) this.stream.destroy()
    else this.stream.push(null)
  }
}
