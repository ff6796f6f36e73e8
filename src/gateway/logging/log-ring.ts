/**
 * Bytes of a ring. They are for the time in which the thread that writes the log is busy: a worker that logs 15,000
 * requests a second fills the ring in one second. The system gives memory only to the part that was ever in use.
 */
const RING_BYTES = 8 * 1024 * 1024
/** Number of unread bytes at which the reader should not wait for more lines; a pipe holds as many. */
const MANY_BYTES = 64 * 1024
/** Most bytes that one UTF-16 unit of a string takes in UTF-8. */
const MAX_UNIT_BYTES = 3
const NOWHERE = -1

/** Bytes before those of the lines: numbers of the writer, of the reader, and of both, each on a cache line of its own. */
const HEAD_BYTES = 192
/** Word of the writer: where its lines end. */
const WRITE = 0
/** Word of the writer: where its lines ended before it went to the start of the ring. */
const LAST = 1
/** Word of the writer: number of lines for which there was no room. */
const DROPPED = 2
/** Word of the reader: where the first unread line begins. It is behind WRITE where the writer went to the start. */
const READ = 16
/**
 * Word of both: what the reader knows of unread lines. That is nothing, that there are some, that it should take them at
 * once, or that it had no room for them and tries again by itself.
 */
const KNOWN = 32
const NOTHING = 0
const SOME = 1
const AT_ONCE = 2
const REFUSED = 3

/**
 * Log lines on their way from one thread, which adds them, to another, which takes them. They are in shared memory, so
 * that they outlive a thread that ends, in whatever way. A line can be seen once all of it is there. Nobody waits:
 * without room a line is dropped.
 *
 * Each line is in one piece. Where the rest of the ring is too short for a line, it goes to the start; and so does the
 * first line after all were read, so that a ring whose lines are soon read uses little memory.
 */
export class LogRing {
  readonly #words: Int32Array
  readonly #bytes: Buffer

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer, 0, HEAD_BYTES / Int32Array.BYTES_PER_ELEMENT)
    this.#bytes = Buffer.from(buffer, HEAD_BYTES)
  }

  /** @param bytes for lines; one that is longer than half of them may be dropped */
  static allocate(bytes = RING_BYTES): SharedArrayBuffer {
    return new SharedArrayBuffer(HEAD_BYTES + bytes)
  }

  /** Number of lines for which there was no room. */
  get dropped(): number {
    return Atomics.load(this.#words, DROPPED)
  }

  /** Number of bytes that can be taken. */
  get unread(): number {
    const read = Atomics.load(this.#words, READ)
    const write = Atomics.load(this.#words, WRITE)
    return write >= read ? write - read : Atomics.load(this.#words, LAST) - read + write
  }

  /** True if the writer wants its lines to be taken at once. */
  get isUrgent(): boolean {
    return Atomics.load(this.#words, KNOWN) === AT_ONCE
  }

  /**
   * Adds a line, or counts it as dropped. For the writer.
   * @returns true if the reader has to be woken
   */
  add(line: string): boolean {
    const words = this.#words
    const write = words[WRITE] as number
    const read = Atomics.load(words, READ)
    let place = this.#placeFor(line.length * MAX_UNIT_BYTES, write, read)
    // The exact length takes time, and matters only where the ring is almost full.
    if (place === NOWHERE) place = this.#placeFor(Buffer.byteLength(line), write, read)
    if (place === NOWHERE) {
      Atomics.add(words, DROPPED, 1)
      return false
    }
    const end = place + this.#bytes.write(line, place)
    if (place < write) Atomics.store(words, LAST, write)
    // Only this shows the line to the reader, after its bytes.
    Atomics.store(words, WRITE, end)
    // Everything up to the end had been read, and is free again. The reader may be ahead of this, and then has freed it.
    if (write === read && place < write) Atomics.compareExchange(words, READ, read, 0)
    const known = Atomics.load(words, KNOWN)
    if (known < AT_ONCE && this.unread >= MANY_BYTES) return this.#tell(AT_ONCE)
    return known === NOTHING && this.#tell(SOME)
  }

  /**
   * Asks for all lines to be taken at once. For the writer.
   * @returns true if the reader has to be woken
   */
  hurry(): boolean {
    return this.unread > 0 && this.#tell(AT_ONCE)
  }

  /**
   * Takes all lines. For the reader.
   * @returns a copy, undefined if there is no line
   */
  take(): Buffer | undefined {
    const words = this.#words
    // A line that is added from now on wakes the reader again.
    Atomics.store(words, KNOWN, NOTHING)
    let read: number
    let write: number
    do {
      read = Atomics.load(words, READ)
      write = Atomics.load(words, WRITE)
      // The writer may have gone to the start of an empty ring in between, and its place would belong to another READ.
    } while (Atomics.load(words, READ) !== read)
    if (write === read) return undefined
    const parts =
      write > read
        ? [this.#bytes.subarray(read, write)]
        : [this.#bytes.subarray(read, Atomics.load(words, LAST)), this.#bytes.subarray(0, write)]
    const lines = Buffer.concat(parts)
    Atomics.store(words, READ, write)
    return lines
  }

  /** Leaves the lines where they are: the reader has no room, and tries again without being woken. For the reader. */
  refuse(): void {
    Atomics.store(this.#words, KNOWN, REFUSED)
  }

  #tell(what: number): boolean {
    return Atomics.exchange(this.#words, KNOWN, what) < what
  }

  /** @returns where a line of this length has room, or NOWHERE */
  #placeFor(bytes: number, write: number, read: number): number {
    // A line at the start must not reach the first unread one: it would look as if everything, or other lines, were read.
    const fitsAtStart = bytes < read
    if (write < read) return write + bytes < read ? write : NOWHERE
    if (write === read && fitsAtStart) return 0
    if (write + bytes <= this.#bytes.length) return write
    return fitsAtStart ? 0 : NOWHERE
  }
}
