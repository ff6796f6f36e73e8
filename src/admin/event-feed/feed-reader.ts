import { Readable } from 'node:stream'

/** The first bytes of a stream: how many milliseconds a client waits before it connects again. */
const GREETING = Buffer.from('retry: 2000\n\n')

/** One reader of a feed, with the events that it has not read yet. */
export class FeedReader {
  readonly stream = new Readable({ read() {} })
  /** Snapshots in a row that were left out, because the reader had not read the one before. */
  missedSnapshots = 0
  /** Changes that go out after the snapshot that is being made; undefined while none is made. */
  #held: Buffer[] | undefined

  constructor() {
    this.stream.push(GREETING)
  }

  /** Whether something waits for the reader: here, or on its connection, for which the stream pauses. */
  get isBehind(): boolean {
    return this.stream.readableLength > 0 || this.stream.readableFlowing === false
  }

  /** Whether it waits for a snapshot that is being made. */
  get waitsForSnapshot(): boolean {
    return this.#held !== undefined
  }

  /** Holds changes back until the next snapshot. */
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
   * Sends a change, or cuts a reader for which too much waits: it connects again and asks for what it missed.
   * @param maxBufferedBytes that may wait for it
   */
  sendChange(event: Buffer, maxBufferedBytes: number): void {
    const waiting = this.stream.readableLength + (this.#held ? this.#held.length * event.length : 0)
    if (waiting > maxBufferedBytes) this.stream.destroy()
    else if (this.#held) this.#held.push(event)
    else this.stream.push(event)
  }

  /** Ends the stream; one that is behind is cut. */
  close(): void {
    if (this.isBehind) this.stream.destroy()
    else this.stream.push(null)
  }
}
