import { Readable } from 'node:stream'
import type { Balancer } from '../../src/balancer/balancer.js'
import { Changes } from './changes.js'
import { frame } from './frame.js'

/** Milliseconds from one snapshot to the next: at least one a second is promised, and timers are late. */
const INTERVAL = 950
/** Milliseconds that a snapshot is good for somebody who comes right after another. */
const FRESH = 100
/** Bytes of changes that may wait for a reader, besides one snapshot. */
const MAX_WAITING = 1024 * 1024
/** So many snapshots in a row may find the one before them still waiting. */
const MAX_STALLED = 15
/** What a reader begins with: milliseconds to wait before it comes back. */
const GREETING = Buffer.from('retry: 2000\n\n')

interface Reader {
  stream: Readable
  /** How many snapshots it has not been given since it last had taken all. */
  stalled: number
}

/**
 * What happens in a pool, told to whoever reads it: every change at once, and the whole each second. All
 * readers share one timer and one serialisation, and without readers there is neither.
 */
export class Feed {
  /** Readers that there may be at a time. */
  static readonly MAX_READERS = 100

  readonly #balancer: Balancer
  readonly #changes: Changes
  readonly #readers = new Set<Reader>()
  #snapshot: { event: Buffer; at: number } | undefined
  #largest = 0
  #cancelTick: (() => void) | undefined
  #closed = false

  constructor(balancer: Balancer) {
    this.#balancer = balancer
    this.#changes = new Changes(balancer, (event) => {
      this.#snapshot = undefined
      for (const reader of this.#readers) this.#tell(reader, event)
    })
  }

  get readers(): number {
    return this.#readers.size
  }

  get isFull(): boolean {
    return this.#readers.size >= Feed.MAX_READERS
  }

  get closed(): boolean {
    return this.#closed
  }

  /**
   * A stream of events, beginning with a snapshot.
   * @param lastId of the last change that the reader knows: those that came after it go before the snapshot
   */
  open(lastId: number | undefined): Readable {
    const reader: Reader = { stream: new Readable({ read() {} }), stalled: 0 }
    const { stream } = reader
    stream.once('close', () => this.#leave(reader))
    stream.push(GREETING)
    if (lastId !== undefined) for (const event of this.#changes.since(lastId)) stream.push(event)
    stream.push(this.#current())
    this.#readers.add(reader)
    this.#cancelTick ??= this.#balancer.clock.after(INTERVAL, this.#tick)
    return stream
  }

  /** Ends all streams at once: those of readers that are behind are cut. */
  close(): void {
    this.#closed = true
    this.#changes.close()
    for (const reader of [...this.#readers]) {
      if (isBehind(reader)) reader.stream.destroy()
      else reader.stream.push(null)
      this.#leave(reader)
    }
  }

  #leave(reader: Reader): void {
    this.#readers.delete(reader)
    if (this.#readers.size > 0) return
    this.#cancelTick?.()
    this.#cancelTick = undefined
    this.#snapshot = undefined
  }

  readonly #tick = () => {
    this.#cancelTick = this.#balancer.clock.after(INTERVAL, this.#tick)
    this.#snapshot = undefined
    for (const reader of this.#readers) {
      // A reader that is slower than the snapshots gets fewer of them, and never an old one.
      if (!isBehind(reader)) {
        reader.stalled = 0
        reader.stream.push(this.#current())
      } else if (++reader.stalled > MAX_STALLED) reader.stream.destroy()
    }
  }

  #tell({ stream }: Reader, event: Buffer): void {
    // What a reader is behind is kept for it, but not without end. It comes back, and asks for what it missed.
    if (stream.readableLength > MAX_WAITING + this.#largest) stream.destroy()
    else stream.push(event)
  }

  #current(): Buffer {
    const { clock, registry } = this.#balancer
    if (this.#snapshot && clock.now() - this.#snapshot.at < FRESH) return this.#snapshot.event
    const event = frame('snapshot', {
      at: clock.date().toISOString(),
      pool: this.#balancer.view(),
      backends: registry.list().map((backend) => backend.view()),
    })
    this.#snapshot = { event, at: clock.now() }
    this.#largest = Math.max(this.#largest, event.length)
    return event
  }
}

/** Whether something waits for a reader: here, or on its connection, for which the stream pauses. */
function isBehind({ stream }: Reader): boolean {
  return stream.readableLength > 0 || stream.readableFlowing === false
}
