import type { Readable } from 'node:stream'
import type { Balancer } from '../../balancer/balancer.js'
import { BACKENDS_PER_TURN, backendList } from '../contract/backend-list.js'
import type { PoolChange, PoolChangeType, PoolSnapshot } from '../contract/pool-events.js'
import { statusOf } from '../fleet.js'
import { ChangeLog } from './change-log.js'
import { FeedReader } from './feed-reader.js'
import { serverSentEvent, serverSentEventOf } from './server-sent-event.js'

/**
 * Milliseconds between snapshots. The API promises one snapshot each second, and timers fire late, so this is less than
 * 1,000.
 */
const SNAPSHOT_INTERVAL_MS = 950
/** Milliseconds for which a snapshot is also sent to readers that connect later. */
const MAX_SNAPSHOT_AGE_MS = 100
/** Bytes of changes that may wait for a reader, in addition to one snapshot. */
const MAX_BUFFERED_BYTES = 1024 * 1024
/** Number of consecutive snapshots that a reader may miss before its connection is cut. */
const MAX_MISSED_SNAPSHOTS = 15

/**
 * Sends the state of a pool to the readers of `GET /events`: each change at once, and a snapshot each second. All
 * readers share one timer and one serialisation of each event; without readers there is no timer and no snapshot. A
 * snapshot of more than 100 backends is made in several turns of the event loop, and changes that happen meanwhile are
 * sent after it.
 */
export class Feed {
  /** Number of readers that may be connected to one feed at a time. */
  static readonly MAX_READERS = 100

  readonly #balancer: Balancer
  readonly #changeLog: ChangeLog
  readonly #readers = new Set<FeedReader>()
  #snapshot: { event: Buffer; at: number } | undefined
  #largestSnapshotBytes = 0
  #cancelTick: (() => void) | undefined
  #changeCount = 0
  /** True if a snapshot is being made. */
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
   * Opens a stream of events for a new reader. It begins with the changes that the reader missed, followed by a
   * snapshot.
   * @param lastId id of the last change that the reader knows; without it no missed changes are sent
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

  /** Tells the readers of a change that the pool itself does not know of. */
  tell(type: PoolChangeType, details: Partial<PoolChange>): void {
    if (!this.#closed) this.#changeLog.add(type, null, details)
  }

  /** Ends all streams at once. Streams of readers that are behind are destroyed. */
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
      // A slow reader gets fewer snapshots, but each snapshot that it gets is new.
      if (!reader.isBehind) {
        reader.missedSnapshots = 0
        this.#sendSnapshot(reader)
      } else if (++reader.missedSnapshots > MAX_MISSED_SNAPSHOTS) reader.stream.destroy()
    }
  }

  /** Sends a snapshot to a reader, at once or as soon as the snapshot is complete. */
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
    const status = statusOf(this.#balancer)
    return {
      at: this.#balancer.clock.date().toISOString(),
      pool: this.#balancer.view(),
      ...(status && { gateways: status.gateways.list() }),
    }
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
    // Something has changed since the snapshot was begun, so readers that connect later need a new one.
    if (this.#changeCount !== changeCount) this.#snapshot = undefined
  }
}
