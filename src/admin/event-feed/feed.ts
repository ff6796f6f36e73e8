import type { Readable } from 'node:stream'
import type { Balancer } from '../../balancer/balancer.js'
import { BACKENDS_PER_TURN, backendList } from '../contract/backend-list.js'
import type { PoolSnapshot } from '../contract/pool-events.js'
import { ChangeLog } from './change-log.js'
import { FeedReader } from './feed-reader.js'
import { serverSentEvent, serverSentEventOf } from './server-sent-event.js'

/** Milliseconds between snapshots. One a second is promised, and timers are late. */
const SNAPSHOT_INTERVAL_MS = 950
/** Milliseconds for which a snapshot is given to further readers that come. */
const MAX_SNAPSHOT_AGE_MS = 100
/** Bytes of changes that may wait for a reader, besides one snapshot. */
const MAX_BUFFERED_BYTES = 1024 * 1024
/** Snapshots in a row that a reader may miss before its connection is cut. */
const MAX_MISSED_SNAPSHOTS = 15

/**
 * Sends the state of a pool to its readers: every change at once, and a snapshot each second. All readers share one timer
 * and one serialisation, and without readers there is neither. The snapshot of a large pool is made in several turns of
 * the event loop, and changes that happen meanwhile are sent after it.
 */
export class Feed {
  /** Readers that there may be at a time. */
  static readonly MAX_READERS = 100

  readonly #balancer: Balancer
  readonly #changeLog: ChangeLog
  readonly #readers = new Set<FeedReader>()
  #snapshot: { event: Buffer; at: number } | undefined
  #largestSnapshotBytes = 0
  #cancelTick: (() => void) | undefined
  #changeCount = 0
  /** Whether a snapshot is being made. */
  #making = false
  #closed = false

  constructor(balancer: Balancer) {
    this.#balancer = balancer
    this.#changeLog = new ChangeLog(balancer, (event) => {
      this.#snapshot = undefined
      this.#changeCount++
      const limit = MAX_BUFFERED_BYTES + this.#largestSnapshotBytes
      for (const reader of this.#readers) reader.sendChange(event, limit)
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
    const reader = new FeedReader()
    const { stream } = reader
    stream.once('close', () => this.#leave(reader))
    if (lastId !== undefined) for (const event of this.#changeLog.since(lastId)) stream.push(event)
    this.#readers.add(reader)
    this.#sendSnapshot(reader)
    this.#cancelTick ??= this.#balancer.clock.after(SNAPSHOT_INTERVAL_MS, this.#tick)
    return stream
  }

  /** Ends all streams at once: those of readers that are behind are cut. */
  close(): void {
    this.#closed = true
    this.#changeLog.close()
    for (const reader of [...this.#readers]) {
      reader.close()
      this.#leave(reader)
    }
  }

  #leave(reader: FeedReader): void {
    this.#readers.delete(reader)
    if (this.#readers.size > 0) return
    this.#cancelTick?.()
    this.#cancelTick = undefined
    this.#snapshot = undefined
  }

  readonly #tick = () => {
    this.#cancelTick = this.#balancer.clock.after(SNAPSHOT_INTERVAL_MS, this.#tick)
    this.#snapshot = undefined
    for (const reader of this.#readers) {
      // A slow reader gets fewer snapshots, and never an old one.
      if (!reader.isBehind) {
        reader.missedSnapshots = 0
        this.#sendSnapshot(reader)
      } else if (++reader.missedSnapshots > MAX_MISSED_SNAPSHOTS) reader.stream.destroy()
    }
  }

  /** Gives a snapshot to a reader: at once, or as soon as it is made. */
  #sendSnapshot(reader: FeedReader): void {
    const { clock, registry } = this.#balancer
    if (this.#snapshot && clock.now() - this.#snapshot.at < MAX_SNAPSHOT_AGE_MS) {
      reader.sendSnapshot(this.#snapshot.event)
    } else if (registry.size <= BACKENDS_PER_TURN) {
      const backends = registry.list().map((backend) => backend.view())
      reader.sendSnapshot(this.#keep(serverSentEvent('snapshot', { ...this.#head(), backends }), clock.now()))
    } else {
      reader.awaitSnapshot()
      if (!this.#making) this.#make()
    }
  }

  #head(): Omit<PoolSnapshot, 'backends'> {
    return { at: this.#balancer.clock.date().toISOString(), pool: this.#balancer.view() }
  }

  #keep(event: Buffer, at: number): Buffer {
    this.#snapshot = { event, at }
    this.#largestSnapshotBytes = Math.max(this.#largestSnapshotBytes, event.length)
    return event
  }

  async #make(): Promise<void> {
    const at = this.#balancer.clock.now()
    const changeCount = this.#changeCount
    const head = JSON.stringify(this.#head()).slice(0, -1)
    const pieces = [head, ',"backends":']
    this.#making = true
    for await (const piece of backendList(this.#balancer.registry)) pieces.push(piece)
    this.#making = false
    const event = this.#keep(serverSentEventOf('snapshot', [...pieces, '}']), at)
    for (const reader of this.#readers) if (reader.waitsForSnapshot) reader.sendSnapshot(event)
    // A backend has changed since the snapshot was begun, so readers that come later get a new one.
    if (this.#changeCount !== changeCount) this.#snapshot = undefined
  }
}
