import { Readable } from 'node:stream'
import type { Balancer } from '../../balancer/balancer.js'
import { BACKENDS_PER_TURN, backendList } from '../contract/backend-list.js'
import { Changes } from './changes.js'
import { frame, frameOf } from './frame.js'

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
  /** Changes that are held back while a snapshot is made that has to come first; undefined while none is made. */
  held: Buffer[] | undefined
}

/**
 * What happens in a pool, told to whoever reads it: every change at once, and the whole each second. All
 * readers share one timer and one serialisation, and without readers there is neither. A snapshot of a large pool is made
 * in several turns of the loop; what changes meanwhile is told right after it.
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
  /** Changes so far. */
  #told = 0
  /** Whether a snapshot is being made. */
  #making = false
  #closed = false

  constructor(balancer: Balancer) {
    this.#balancer = balancer
    this.#changes = new Changes(balancer, (event) => {
      this.#snapshot = undefined
      this.#told++
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
    const reader: Reader = { stream: new Readable({ read() {} }), stalled: 0, held: undefined }
    const { stream } = reader
    stream.once('close', () => this.#leave(reader))
    stream.push(GREETING)
    if (lastId !== undefined) for (const event of this.#changes.since(lastId)) stream.push(event)
    this.#readers.add(reader)
    this.#show(reader)
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
        this.#show(reader)
      } else if (++reader.stalled > MAX_STALLED) reader.stream.destroy()
    }
  }

  #tell({ stream, held }: Reader, event: Buffer): void {
    const waiting = stream.readableLength + (held ? held.length * event.length : 0)
    // What a reader is behind is kept for it, but not without end. It comes back, and asks for what it missed.
    if (waiting > MAX_WAITING + this.#largest) stream.destroy()
    else if (held) held.push(event)
    else stream.push(event)
  }

  /** Gives a snapshot to a reader: at once, or as soon as it is made. */
  #show(reader: Reader): void {
    const { clock, registry } = this.#balancer
    if (this.#snapshot && clock.now() - this.#snapshot.at < FRESH) {
      reader.stream.push(this.#snapshot.event)
    } else if (registry.size <= BACKENDS_PER_TURN) {
      const backends = registry.list().map((backend) => backend.view())
      reader.stream.push(this.#keep(frame('snapshot', { ...this.#head(), backends }), clock.now()))
    } else {
      reader.held ??= []
      if (!this.#making) this.#make()
    }
  }

  #head(): object {
    return { at: this.#balancer.clock.date().toISOString(), pool: this.#balancer.view() }
  }

  #keep(event: Buffer, at: number): Buffer {
    this.#snapshot = { event, at }
    this.#largest = Math.max(this.#largest, event.length)
    return event
  }

  async #make(): Promise<void> {
    const at = this.#balancer.clock.now()
    const told = this.#told
    const head = JSON.stringify(this.#head()).slice(0, -1)
    const pieces = [head, ',"backends":']
    this.#making = true
    for await (const piece of backendList(this.#balancer.registry)) pieces.push(piece)
    this.#making = false
    const event = this.#keep(frameOf('snapshot', [...pieces, '}']), at)
    for (const reader of this.#readers) {
      const { held, stream } = reader
      if (!held) continue
      reader.held = undefined
      stream.push(event)
      for (const change of held) stream.push(change)
    }
    // A backend has changed since it was begun: it is not shown to readers that come later.
    if (this.#told !== told) this.#snapshot = undefined
  }
}

/** Whether something waits for a reader: here, or on its connection, for which the stream pauses. */
function isBehind({ stream }: Reader): boolean {
  return stream.readableLength > 0 || stream.readableFlowing === false
}
